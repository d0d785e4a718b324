# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OAuth 2 server on loopback: Authlib's AuthorizationServer in Flask, with TLS, in a thread of the test.

It knows the grants that the mail logins use (RFC 6749, RFC 7523), at one token endpoint and where Microsoft's sign-in
service has it, and tells mail servers whose a token is (RFC 7662).
"""

from __future__ import annotations

import dataclasses
import json
import logging
import secrets
import ssl
import threading
import time
import typing as t

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientCredentialsGrant, ClientMixin, RefreshTokenGrant, TokenMixin
from authlib.oauth2.rfc6750 import BearerTokenGenerator
from authlib.oauth2.rfc7523 import JWTBearerGrant
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from flask import Flask, Response, request
from joserfc.jwk import RSAKey
from werkzeug.serving import WSGIRequestHandler, make_server

JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: what Google's key files have assertions addressed to, whatever the token endpoint's URL
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"
TENANT = "lab-tenant"


@dataclasses.dataclass
class Client(ClientMixin):
    """A registered client. ``acts_for``: whose mailboxes its own tokens open; "*" is everybody's."""

    client_id: str
    client_secret: str
    grants: tuple[str, ...]
    methods: tuple[str, ...] = ("client_secret_post", "client_secret_basic")
    scope: str = ""
    acts_for: str = "*"
    public_key: t.Any = None

    def get_client_id(self) -> str:
        return self.client_id

    def get_allowed_scope(self, scope: str) -> str:
        return " ".join(part for part in (scope or "").split() if part in self.scope.split())

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(self.client_secret.encode(), client_secret.encode())

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method in self.methods

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


@dataclasses.dataclass
class Token(TokenMixin):
    """A token that was issued. ``user``: whose mailbox it opens."""

    access_token: str
    refresh_token: str
    client: Client
    user: str
    scope: str
    expires_at: float
    revoked: bool = False
    refresh_revoked: bool = False

    def check_client(self, client: Client) -> bool:
        return client.client_id == self.client.client_id

    def get_scope(self) -> str:
        return self.scope

    def is_expired(self) -> bool:
        return time.time() > self.expires_at

    def is_revoked(self) -> bool:
        return self.revoked


class OAuthServer:
    """The server; a context manager.

    :arg certificate: PEM file with the certificate for localhost, and the key if there is no ``key``; None serves HTTP.
    :ivar lifetime: seconds of the access tokens that it gives.
    :ivar rotate: whether a refresh gives a new refresh token, and ends the old one.
    :ivar asked: the requests to token endpoints so far: form and headers.
    :ivar answers: answers to give instead of its own, in order: status, text and headers.
    :ivar delay: an event that an answer waits for.
    """

    def __init__(self, certificate: t.Any = None, key: t.Any = None) -> None:
        self.lifetime = 3600
        self.rotate = False
        self.asked: list[dict[str, t.Any]] = []
        self.answers: list[tuple[int, str, dict[str, str]]] = []
        self.delay: threading.Event | None = None
        self.tokens: list[Token] = []
        self.service_key = rsa.generate_private_key(65537, 2048)
        scope = "mail https://mail.google.com/ https://outlook.office365.com/.default"
        self.clients = {
            client.client_id: client
            for client in (
                Client("app", "app secret/+%", ("refresh_token", "client_credentials"), scope=scope),
                Client("basic", "b:asic", ("client_credentials",), ("client_secret_basic",), scope=scope),
                Client("lab", "lab-secret", ()),
                Client(
                    "robot@project.test", "", (JWT_BEARER,), scope=scope,
                    public_key=RSAKey.import_key(self.service_key.public_key().public_bytes(
                        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
                    )),
                ),
            )
        }
        context = None
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate, key)
        self._http = make_server(
            "127.0.0.1", 0, self._application(), threaded=True, request_handler=_Quiet, ssl_context=context
        )
        self.port = self._http.server_port
        self.url = f"{'https' if context else 'http'}://localhost:{self.port}"
        self.token_url = f"{self.url}/token"
        self.introspection_url = f"{self.url}/introspect"
        self._thread = threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    def __enter__(self) -> OAuthServer:
        logging.getLogger("werkzeug").disabled = True
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join(10)

    def refresh_token(self, user: str, client: str = "app") -> str:
        """A refresh token as a person gets one by signing in."""
        token = f"refresh/{secrets.token_urlsafe(24)}"
        self.tokens.append(Token("", token, self.clients[client], user, "mail", time.time() + 86400))
        return token

    def revoke(self) -> None:
        """End all access tokens."""
        for token in self.tokens:
            token.revoked = True

    def service_account(self, **changes: t.Any) -> str:
        """The key file of a service account that may act for everybody."""
        private = self.service_key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return json.dumps({
            "type": "service_account", "project_id": "project", "private_key_id": "1", "client_id": "1",
            "client_email": "robot@project.test", "private_key": private.decode("ascii"),
            "token_uri": self.token_url, **changes,
        })

    # -- the server

    def _application(self) -> Flask:
        application = Flask("oauth")
        server = AuthorizationServer(application, query_client=self.clients.get, save_token=self._save)
        server.register_token_generator("default", BearerTokenGenerator(
            lambda **_options: secrets.token_urlsafe(900), lambda **_options: f"refresh/{secrets.token_urlsafe(24)}",
            lambda *_args: self.lifetime,
        ))
        for grant in self._grants():
            server.register_grant(grant)
        server.register_endpoint(self._introspection())

        def token(tenant: str = "") -> t.Any:
            self.asked.append({"form": request.form.to_dict(), "headers": dict(request.headers), "path": request.path})
            if self.delay is not None:
                self.delay.wait(30)
            if self.answers:
                status, text, headers = self.answers.pop(0)
                return Response(text, status, {"Content-Type": "application/json", **headers})
            if tenant not in ("", TENANT):
                return Response('{"error": "invalid_tenant"}', 400)
            return server.create_token_response()

        def configuration(tenant: str) -> t.Any:
            if tenant != TENANT:
                words = f"AADSTS90002: Tenant '{tenant}' not found."
                return {"error": "invalid_tenant", "error_description": words}, 400
            base = f"{self.url}/{tenant}/oauth2/v2.0"
            return {
                "issuer": f"{self.url}/{tenant}/v2.0", "token_endpoint": f"{base}/token",
                "authorization_endpoint": f"{base}/authorize",
            }

        for path, name in (("/token", "token"), ("/<tenant>/oauth2/v2.0/token", "tenant_token")):
            application.add_url_rule(path, name, token, methods=["POST"])
        application.add_url_rule("/<tenant>/v2.0/.well-known/openid-configuration", "configuration", configuration)
        application.add_url_rule(
            "/introspect", "introspect", lambda: server.create_endpoint_response("introspection"), methods=["POST"]
        )
        return application

    def _save(self, token: dict[str, t.Any], asked: t.Any) -> None:
        self.tokens.append(Token(
            token["access_token"], token.get("refresh_token", ""), asked.client,
            str(asked.user) if asked.user else asked.client.acts_for,
            token.get("scope", ""), time.time() + token["expires_in"],
        ))

    def _grants(self) -> list[t.Any]:
        outer = self

        class Credentials(ClientCredentialsGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post", "client_secret_basic"]

        class Refresh(RefreshTokenGrant):
            TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_post", "client_secret_basic"]

            @property
            def INCLUDE_NEW_REFRESH_TOKEN(self) -> bool:
                return outer.rotate

            def authenticate_refresh_token(self, refresh_token: str) -> t.Any:
                known = (one for one in outer.tokens if one.refresh_token == refresh_token)
                return next((one for one in known if not one.refresh_revoked), None)

            def authenticate_user(self, refresh_token: Token) -> str:
                return refresh_token.user

            def revoke_old_credential(self, refresh_token: Token) -> None:
                refresh_token.refresh_revoked = outer.rotate

        class Assertion(JWTBearerGrant):
            def resolve_issuer_client(self, issuer: str) -> t.Any:
                return outer.clients.get(issuer)

            def resolve_client_public_key(self, client: Client) -> t.Any:
                return client.public_key

            def get_audiences(self) -> list[str]:
                return [GOOGLE_AUDIENCE, outer.token_url]

            def authenticate_user(self, subject: str) -> str:
                return subject if subject.endswith("@lab.test") else ""

            def has_granted_permission(self, client: Client, user: str) -> bool:
                return True

        return [Credentials, Refresh, Assertion]

    def _introspection(self) -> t.Any:
        outer = self

        class Introspection(IntrospectionEndpoint):
            CLIENT_AUTH_METHODS = ["client_secret_basic"]

            def check_permission(self, token: Token, client: Client, asked: t.Any) -> bool:
                return client.client_id == "lab"

            def query_token(self, token_string: str, token_type_hint: t.Any) -> t.Any:
                return next((one for one in outer.tokens if one.access_token == token_string), None)

            def introspect_token(self, token: Token) -> dict[str, t.Any]:
                return {"active": True, "username": token.user, "scope": token.scope, "token_type": "Bearer"}

        return Introspection


class _Quiet(WSGIRequestHandler):
    """Tests break connections on purpose; no one wants to read of it."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: t.Any) -> None:
        """Nothing."""
