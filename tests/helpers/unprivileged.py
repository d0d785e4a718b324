# Copyright (c) 2026 the mailcert.acme contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work in a child process that file permissions bind, whoever runs the tests: root reads everything else."""

from __future__ import annotations

import ctypes
import os
import pickle
import traceback
import typing as t

# _LINUX_CAPABILITY_VERSION_3 of capset(2): two sets of effective, permitted and inheritable
_VERSION = 0x20080522
# prctl(2), capabilities(7)
_PR_CAPBSET_DROP = 24
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2


def without_privileges(work: t.Callable[[], t.Any]) -> t.Any:
    """What the work gives, done in a child that gave up all capabilities; it may be pickled."""
    return _in_child(_give_all_up, work)


def _give_all_up() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    header, nothing = (ctypes.c_uint32 * 2)(_VERSION, 0), (ctypes.c_uint32 * 6)()
    if libc.capset(header, nothing):
        raise OSError(ctypes.get_errno(), "the capabilities cannot be given up")


def bound_by_permissions(work: t.Callable[[], t.Any]) -> t.Any:
    """The same in a child whose own children may do what file permissions allow, root or not."""
    return _in_child(_drop_for_children, work)


def _drop_for_children() -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in (_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH):
        if os.geteuid() == 0 and libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "a capability cannot be dropped")


def _in_child(give_up: t.Callable[[], None], work: t.Callable[[], t.Any]) -> t.Any:
    """What the work gives, done in a child after it gave something up; it may be pickled."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            give_up()
            with os.fdopen(send, "wb") as stream:
                pickle.dump(work(), stream)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    os.close(send)
    with os.fdopen(receive, "rb") as stream:
        data = stream.read()
    assert os.waitpid(pid, 0)[1] == 0, "the work failed"
    return pickle.loads(data)
