"""The bundled example apps as git repositories that the panel's own edge serves.

A commit's author, date and tree depend on the folder alone, so the same content is the same commit on every
machine, and publishing again changes nothing.
"""

from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from dulwich.objects import Blob, Commit, ObjectID
from dulwich.objects import Tree as GitTree
from dulwich.refs import Ref
from dulwich.repo import Repo
from dulwich.server import update_server_info

AUTHOR = b"Gavan <examples@gavan.invalid>"
FIRST_DAY = 1_767_225_600
"""2026-01-01, one day later for each further commit."""
DAY = 86_400
BRANCH = Ref(b"refs/heads/main")
IGNORED = {".git", "node_modules", "__pycache__", ".venv"}


def publish(source: Path, target: Path) -> list[str]:
    """Make `target/<name>.git` of each folder `source/<name>/`. Returns the names whose content is new."""
    target.mkdir(parents=True, exist_ok=True)
    return [
        folder.name for folder in sorted(source.iterdir()) if folder.is_dir() and _publish_one(folder, target)
    ]


def _publish_one(folder: Path, target: Path) -> bool:
    bare = target / f"{folder.name}.git"
    if not bare.exists():
        draft = target / f".{folder.name}.new"
        shutil.rmtree(draft, ignore_errors=True)
        with Repo.init_bare(str(draft), mkdir=True) as repo:
            repo.refs.set_symbolic_ref(Ref(b"HEAD"), BRANCH)
            _commit(repo, folder)
        draft.rename(bare)
        return True
    with Repo(str(bare)) as repo:
        return _commit(repo, folder)


def _commit(repo: Repo, folder: Path) -> bool:
    tree = _add_tree(repo, folder)
    parent = _head(repo)
    if parent and parent.tree == tree:
        return False
    commit = Commit()
    commit.tree = tree
    commit.parents = [parent.id] if parent else []
    commit.author = commit.committer = AUTHOR
    commit.author_time = commit.commit_time = parent.commit_time + DAY if parent else FIRST_DAY
    commit.author_timezone = commit.commit_timezone = 0
    commit.encoding = b"UTF-8"
    commit.message = f"The {folder.name} example\n".encode()
    repo.object_store.add_object(commit)
    repo.refs[BRANCH] = commit.id
    update_server_info(repo)
    return True


def _head(repo: Repo) -> Commit | None:
    if BRANCH not in repo.refs:
        return None
    found = repo[repo.refs[BRANCH]]
    return found if isinstance(found, Commit) else None


def _add_tree(repo: Repo, folder: Path) -> ObjectID:
    tree = GitTree()
    for path in _entries(folder):
        name = path.name.encode()
        if path.is_dir():
            tree.add(name, stat.S_IFDIR, _add_tree(repo, path))
            continue
        blob = Blob.from_string(path.read_bytes())
        repo.object_store.add_object(blob)
        executable = path.stat().st_mode & stat.S_IXUSR
        tree.add(name, stat.S_IFREG | (0o755 if executable else 0o644), blob.id)
    repo.object_store.add_object(tree)
    return tree.id


def _entries(folder: Path) -> Iterator[Path]:
    """Files and folders with something in them, as git has no empty ones."""
    for path in sorted(folder.iterdir()):
        if path.name in IGNORED or path.is_symlink():
            continue
        if path.is_file() or (path.is_dir() and any(_entries(path))):
            yield path
