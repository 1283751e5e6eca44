"""Runs in a container of the engine's own, with the machine's devices: a file as a disk of its own size.

The kernel then refuses what does not fit, which it can for no folder without quotas of projects. The script
gets its order as JSON on the command line (`do`, `link`, `size`, `made`) and answers with JSON. `/store` has
the file, `/host` shows the machine's root, for `mkfs.ext4` where the image has none, and `/host/dev` its
devices.

The name of the attached device is a link in the machine's `/dev`, which a reboot empties: a volume that is
not attached then fails to mount, instead of showing another one's data or an empty folder.
"""

import ctypes
import fcntl
import json
import os
import shutil
import stat
import struct
import subprocess
import sys

STORE, HOST, AT = "/store", "/host", "/tmp"  # noqa: S108
FILE = f"{STORE}/disk.img"
DEVICES = f"{HOST}/dev"
SET_FD, CLEAR_FD, STATUS, CAPACITY, FREE = 0x4C00, 0x4C01, 0x4C05, 0x4C07, 0x4C82
INFO = struct.Struct("QQQQQIIII64s64s32sQQ")
RESIZE = 0x40086610
MOST = 4096
TRIES = 20
NAMED = "-volume-"
"""In the name of each volume's link, and of no device of anybody else."""
BLOCK = 4096


def main() -> None:
    order = json.loads(sys.argv[1])
    link = f"{DEVICES}/{order['link']}"
    answer: dict[str, object] = {}
    try:
        if order["do"] == "detach":
            detach(link)
        else:
            answer = attach(link, order["size"], made=order["made"])
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"[:500]}
    print(json.dumps(answer))


def attach(link: str, size: int, *, made: bool) -> dict[str, object]:
    """Make the file if it never was there, let it grow to `size`, and have the machine know it as a device.

    Whether it is gone, or whether the file system has all of the file by now.
    """
    if not os.path.exists(FILE):
        if made or not size:
            return {"gone": True}
        make(size)
    if size > os.path.getsize(FILE):
        os.truncate(FILE, size)
    device = attached() or attach_anew()
    blocks = os.path.getsize(FILE) // BLOCK
    enlarge_device(device)
    enlarge_unmounted(device, blocks)
    mount(device)
    try:
        grown = enlarge_mounted(blocks)
        os.chmod(AT, 0o777)  # noqa: S103 (whose number an image runs as is nobody's to know; nobody else mounts it)
        shutil.rmtree(f"{AT}/lost+found", ignore_errors=True)
    finally:
        unmount()
    fresh = f"{link}.new"
    if os.path.lexists(fresh):
        os.unlink(fresh)
    os.symlink(os.path.basename(device), fresh)
    os.replace(fresh, link)
    return {"grown": grown}


def make(size: int) -> None:
    """Under another name until it is complete, so that an interruption leaves no half of one."""
    fresh = f"{FILE}.new"
    with open(fresh, "wb") as file:
        file.truncate(size)
    device = attach_anew(fresh)
    try:
        program("mkfs.ext4", "-q", "-F", "-m", "0", "-b", str(BLOCK), device)
    finally:
        clear(device)
    os.rename(fresh, FILE)


def program(name: str, *words: str) -> int:
    """Run it on a device: the image's own, or else the machine's, which calls the device the same."""
    if not shutil.which(name):
        words = tuple(word.removeprefix(HOST) for word in words)
        path = "PATH=/usr/sbin:/sbin:/usr/bin:/bin"
        order = ["chroot", HOST, "/usr/bin/env", path, name, *words]
    else:
        order = [name, *words]
    done = subprocess.run(order, capture_output=True, text=True)
    # e2fsck says with 1 that it mended something.
    if done.returncode > (1 if name == "e2fsck" else 0):
        raise OSError(f"{name}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.returncode


def devices() -> list[str]:
    return [f"{DEVICES}/loop{number}" for number in range(MOST) if os.path.exists(f"{DEVICES}/loop{number}")]


def attached() -> str:
    """The device that has the file already."""
    file = os.stat(FILE)
    for path in devices():
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:
            continue
        try:
            buffer = bytearray(INFO.size)
            fcntl.ioctl(descriptor, STATUS, buffer)
            where, inode = INFO.unpack(buffer)[:2]
            if (where, inode) == (file.st_dev, file.st_ino):
                return path
        except OSError:
            continue
        finally:
            os.close(descriptor)
    return ""


def attach_anew(path_of_file: str = FILE) -> str:
    """By a device that is free, and that no other volume's name leads to any more: such a name stays where a
    device was taken away behind our back, and would show this file as that volume's data.
    """
    control = os.open(f"{DEVICES}/loop-control", os.O_RDWR)
    file = os.open(path_of_file, os.O_RDWR)
    failure = None
    for _ in range(TRIES):
        number = fcntl.ioctl(control, FREE)
        path = f"{DEVICES}/loop{number}"
        if not os.path.exists(path):
            # Without udev nobody makes it.
            os.mknod(path, stat.S_IFBLK | 0o600, os.makedev(7, number))
        device = os.open(path, os.O_RDWR)
        try:
            fcntl.ioctl(device, SET_FD, file)
            forget_names(path)
            return path
        except OSError as error:
            # Somebody was faster.
            failure = error
        finally:
            os.close(device)
    raise failure or OSError("no device is free")


def forget_names(device: str) -> None:
    for name in os.listdir(DEVICES):
        path = f"{DEVICES}/{name}"
        if NAMED in name and os.path.islink(path) and os.readlink(path) == os.path.basename(device):
            os.unlink(path)


def detach(link: str) -> None:
    if os.path.lexists(link):
        os.unlink(link)
    device = attached() if os.path.exists(FILE) else ""
    if device:
        clear(device)


def clear(device: str) -> None:
    descriptor = os.open(device, os.O_RDWR)
    try:
        fcntl.ioctl(descriptor, CLEAR_FD)
    finally:
        os.close(descriptor)


def enlarge_device(device: str) -> None:
    descriptor = os.open(device, os.O_RDWR)
    try:
        fcntl.ioctl(descriptor, CAPACITY)
    finally:
        os.close(descriptor)


def enlarge_unmounted(device: str, blocks: int) -> None:
    """The way that needs no more rights than making it did; while an app has it mounted, there is another."""
    try:
        descriptor = os.open(device, os.O_RDWR | os.O_EXCL)
    except OSError:
        return
    try:
        os.lseek(descriptor, 1024, os.SEEK_SET)
        superblock = os.read(descriptor, 1024)
    finally:
        os.close(descriptor)
    (low,) = struct.unpack_from("<I", superblock, 0x04)
    (high,) = struct.unpack_from("<I", superblock, 0x150)
    if low + (high << 32) < blocks:
        program("e2fsck", "-f", "-p", device)
        program("resize2fs", device)


def enlarge_mounted(blocks: int) -> bool:
    """Of its own size it stays as it is. False where the kernel lets this container do no such thing."""
    top = os.open(AT, os.O_RDONLY)
    try:
        facts = os.fstatvfs(top)
        fcntl.ioctl(top, RESIZE, struct.pack("Q", blocks))
    except PermissionError:
        # What a file system has for itself is no part of this; a difference of a tenth is another size.
        return facts.f_blocks * 10 > blocks * 8
    finally:
        os.close(top)
    return True


def mount(device: str) -> None:
    if libc().mount(device.encode(), AT.encode(), b"ext4", 0, None):
        number = ctypes.get_errno()
        raise OSError(number, f"cannot mount: {os.strerror(number)}")


def unmount() -> None:
    libc().umount2(AT.encode(), 0)


def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


if __name__ == "__main__":
    main()
