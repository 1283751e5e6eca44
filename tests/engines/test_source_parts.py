"""What of a repository is deployed: a ref of any kind, one folder, and the submodules in it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from backend.engines import submodules
from backend.engines.addresses import parse_remote
from backend.engines.base import Access, EngineError, Fetched, FetchSpec
from tests.engines.conftest import Panel
from tests.support.gitserver import LINK, SUBMODULE, Behaviour, Content, GitServer
from tests.support.sshgitserver import KeyPair, SshGitServer


async def fetched(panel: Panel, url: str, **more: object) -> tuple[Path, Fetched]:
    spec: FetchSpec = replace(panel.fetch_spec(url), **more)  # type: ignore[arg-type]
    got = await panel.engine.fetch(spec, panel.report)
    return panel.apps.home / "deployments" / spec.deployment_id / "source", got


async def refused(panel: Panel, url: str, **more: object) -> EngineError:
    with pytest.raises(EngineError) as caught:
        await fetched(panel, url, **more)
    return caught.value


def files(tree: Path) -> dict[str, str]:
    return {str(path.relative_to(tree)): path.read_text() for path in tree.rglob("*") if path.is_file()}


class TestRef:
    @pytest.fixture
    def history(self, panel: Panel) -> list[str]:
        """Commits `0`…`3` on main; `v1` and `v2` (annotated) name the second and the third."""
        panel.git.empty("history")
        made = [panel.git.commit("history", {"n": str(n)}) for n in range(4)]
        panel.git.tag("history", "v1", made[1])
        panel.git.tag("history", "v2", made[2], message="Two")
        return made[-4:]

    async def test_tags(self, panel: Panel, history: list[str]) -> None:
        for ref, at in (("v1", 1), ("v2", 2), ("refs/tags/v2", 2), ("refs/heads/main", 3), ("main", 3)):
            tree, got = await fetched(panel, panel.git.url("history"), ref=ref)
            assert (got.commit, files(tree)) == (history[at], {"n": str(at)})

    @pytest.mark.parametrize("length", [7, 12, 40])
    @pytest.mark.parametrize("at", [0, 2, 3])
    async def test_commits(self, panel: Panel, history: list[str], at: int, length: int) -> None:
        """Of the history, behind an annotated tag, and a branch's end."""
        for ref in (history[at][:length], history[at][:length].upper()):
            tree, got = await fetched(panel, panel.git.url("history"), ref=ref)
            assert (got.commit, files(tree)) == (history[at], {"n": str(at)})

    async def test_a_branch_that_looks_like_a_commit_is_a_branch(self, panel: Panel) -> None:
        panel.git.commit("looks", {"a": "main"})
        panel.git.commit("looks", {"a": "cafe"}, branch="cafe1234")
        panel.git.tag("looks", "both", panel.git.commit("looks", {"a": "tag"}))
        panel.git.commit("looks", {"a": "branch"}, branch="both")
        assert files((await fetched(panel, panel.git.url("looks"), ref="cafe1234"))[0]) == {"a": "cafe"}
        assert files((await fetched(panel, panel.git.url("looks"), ref="both"))[0]) == {"a": "branch"}
        assert files((await fetched(panel, panel.git.url("looks"), ref="refs/tags/both"))[0]) == {"a": "tag"}

    async def test_what_is_not_there(self, panel: Panel, history: list[str]) -> None:
        url = panel.git.url("history")
        for ref, detail in (("deadbeef", "commit_missing"), ("ab" * 20, "commit_missing"), ("v3", None)):
            error = await refused(panel, url, ref=ref)
            assert (error.code, error.parameters.get("detail")) == ("source_branch_missing", detail)
        for ref in ("ветка-🌊", "\ud800", "x" * 100_000, "a\nb", "HEAD", "refs/heads/", "../main"):
            error = await refused(panel, url, ref=ref)
            assert error.code == "source_branch_missing"
            assert len(error.message) < 400

    async def test_of_servers_that_hand_out_files_only(self, panel: Panel) -> None:
        old = panel.git.commit("files", {"a": "old"})
        panel.git.commit("files", {"a": "new"})
        panel.git.behave("files", Behaviour.DUMB)
        assert files((await fetched(panel, panel.git.url("files"), ref=old))[0]) == {"a": "old"}
        error = await refused(panel, panel.git.url("files"), ref=old[:8])
        assert error.parameters["detail"] == "commit_full"


class TestRoot:
    async def test_only_that_folder(self, panel: Panel) -> None:
        panel.git.commit(
            "mono",
            {"a": "top", "apps/web/b": "web", "apps/web/in/c": "deep", "apps/api/d": "api", "ünï/e": "u"},
        )
        url = panel.git.url("mono")
        assert files((await fetched(panel, url, root="apps/web"))[0]) == {"b": "web", "in/c": "deep"}
        assert files((await fetched(panel, url, root="apps"))[0]) == {
            "web/b": "web",
            "web/in/c": "deep",
            "api/d": "api",
        }
        assert files((await fetched(panel, url, root="ünï"))[0]) == {"e": "u"}
        assert any("folder apps/web" in line for line in panel.lines)

    async def test_links_do_not_leave_it(self, panel: Panel) -> None:
        panel.git.commit(
            "mono", {"secret": "s", "app/inside": (LINK, "a"), "app/out": (LINK, "../secret"), "app/a": "1"}
        )
        tree, _ = await fetched(panel, panel.git.url("mono"), root="app")
        assert sorted(os.listdir(tree)) == ["a", "inside"]

    @pytest.mark.parametrize(
        "root",
        ["none", "a", "apps/web/none", "..", "../..", "apps/../apps", ".", "/etc", "\ud800", "x" * 9000],
    )
    async def test_that_is_no_folder(self, panel: Panel, root: str) -> None:
        panel.git.commit("mono", {"a": "top", "apps/web/b": "web"})
        error = await refused(panel, panel.git.url("mono"), root=root)
        assert error.code == "source_root_missing"
        assert len(error.message) < 400

    async def test_that_is_a_link_or_a_submodule(self, panel: Panel) -> None:
        panel.git.commit(
            "mono",
            {"out": (LINK, "../../.."), "in": (LINK, "app"), "app/a": "1", "sub": (SUBMODULE, "ab" * 20)},
        )
        for root, because in (
            ("out", "root_is_link"),
            ("in", "root_is_link"),
            ("out/etc", "root_is_link"),
            ("sub", "root_is_submodule"),
            ("sub/inner", "root_is_submodule"),
        ):
            error = await refused(panel, panel.git.url("mono"), root=root)
            assert (error.code, error.parameters["because"]) == ("source_root_missing", because)


def gitmodules(urls: Mapping[str, str]) -> str:
    return "".join(f'[submodule "{path}"]\n\tpath = {path}\n\turl = {url}\n' for path, url in urls.items())


class TestSubmodules:
    def commit(self, panel: Panel, name: str, inner: Mapping[str, tuple[str, str]], **more: Content) -> str:
        """A repository with submodules: path → (address, commit)."""
        listed = gitmodules({path: url for path, (url, _) in inner.items()})
        links: dict[str, Content] = {path: (SUBMODULE, commit) for path, (_, commit) in inner.items()}
        return panel.git.commit(name, {".gitmodules": listed, "a": name, **links, **more})

    async def test_are_fetched_at_the_commit_that_is_named(self, panel: Panel) -> None:
        old = panel.git.commit("library", {"version": "old"})
        panel.git.commit("library", {"version": "new"})
        absolute, relative = panel.git.url("library"), "../library.git"
        self.commit(panel, "app", {"lib/one": (absolute, old), "two": (relative, old)})
        tree, _ = await fetched(panel, panel.git.url("app"))
        found = files(tree)
        assert (found["lib/one/version"], found["two/version"]) == ("old", "old")

    async def test_of_submodules_and_in_a_folder(self, panel: Panel) -> None:
        inmost = panel.git.commit("inmost", {"depth": "2"})
        middle = self.commit(panel, "middle", {"x/y": ("./../inmost.git", inmost)})
        self.commit(
            panel, "outer", {"app/vendor": ("../middle.git", middle), "elsewhere": ("../none.git", inmost)}
        )
        tree, _ = await fetched(panel, panel.git.url("outer"), root="app")
        assert files(tree)["vendor/x/y/depth"] == "2"
        assert not (tree / "elsewhere").exists()

    async def test_do_not_nest_without_end(self, panel: Panel) -> None:
        commit = panel.git.commit("nested", {"end": "1"})
        for _ in range(submodules.DEPTH + 1):
            commit = self.commit(panel, "nested", {"inner": ("../nested.git", commit)})
        error = await refused(panel, panel.git.url("nested"))
        assert (error.code, error.parameters["detail"]) == ("source_submodule_failed", "submodules_deep")
        inner = panel.git.commit("small", {"a": "1"})
        many = {f"m{n}": ("../small.git", inner) for n in range(submodules.MOST + 1)}
        self.commit(panel, "many", many)
        error = await refused(panel, panel.git.url("many"))
        assert (error.code, error.parameters["detail"]) == ("source_submodule_failed", "submodules_many")

    @pytest.mark.parametrize(
        "url",
        [
            "http://169.254.169.254/latest",
            "http://127.0.0.1:1/internal.git",
            "ssh://git@10.0.0.1/a.git",
            "file:///etc",
            "/etc/passwd",
            "ext::sh -c id",
            "http://u:p@git.example.org/a.git",
            "../../../../etc",
            "..",
        ],
    )
    async def test_go_through_the_same_guard(self, panel: Panel, url: str) -> None:
        self.commit(panel, "app", {"lib": (url, "ab" * 20)})
        error = await refused(panel, panel.git.url("app"))
        assert error.code == "source_submodule_failed"
        assert error.parameters["submodule"] == "lib"
        assert error.parameters["because"]

    async def test_that_cannot_be_had_say_so(self, panel: Panel) -> None:
        panel.git.commit("library", {"a": "1"})
        self.commit(panel, "app", {"lib": ("../library.git", "ab" * 20)})
        error = await refused(panel, panel.git.url("app"))
        assert (error.code, error.parameters["because"]) == ("source_submodule_failed", "commit_gone")
        panel.git.behave("library", Behaviour.BREAK)
        error = await refused(panel, panel.git.url("app"))
        panel.git.behave("library", None)
        assert (error.retry, error.parameters["because"]) == ("backoff", "host_busy")

    async def test_get_the_token_of_their_own_host_only(self, panel: Panel) -> None:
        with GitServer() as other:
            engine = panel.with_settings(allowed_private=(panel.git.address, other.address))
            private = panel.git.commit("enclosed", {"a": "1"})
            public = other.commit("public", {"b": "1"})
            inner = {"lib": ("../enclosed.git", private), "pub": (other.url("public"), public)}
            self.commit(panel, "enclosing", inner)
            for name in ("enclosing", "enclosed"):
                panel.git.protect(name, token="tok_submodules")
            url = panel.git.url("enclosing")
            access = Access(parse_remote(url).origin, token="tok_submodules")
            await engine.fetch(replace(panel.fetch_spec(url), access=access), panel.report)
            assert other.requests
            assert other.credentials == []
            assert any(path.startswith("/enclosed") for path, _ in panel.git.credentials)

    async def test_of_another_owner_get_no_token(self, panel: Panel) -> None:
        """Who may push to one repository would read by it whatever its token reads."""
        panel.git.credentials.clear()
        mine = panel.git.commit("team/library", {"a": "1"})
        public = panel.git.commit("board/public", {"a": "1"})
        private = panel.git.commit("board/private", {"a": "1"})
        for name in ("team/app", "team/library", "board/private"):
            panel.git.protect(name, token="tok_submodules")
        url = panel.git.url("team/app")
        access = Access(parse_remote(url).origin, token="tok_submodules")
        inner = {"lib": ("../library.git", mine), "open": ("../../board/public.git", public)}
        self.commit(panel, "team/app", inner)
        await fetched(panel, url, access=access)
        for stolen in (panel.git.url("board/private"), "../../board/none.git"):
            self.commit(panel, "team/app", {"stolen": (stolen, private)})
            error = await refused(panel, url, access=access)
            assert (error.parameters["submodule"], error.parameters["because"]) == (
                "stolen",
                "token_withheld",
            )
            assert error.parameters["owner"] == "127.0.0.1/team"
        assert {path.split("/")[1] for path, _ in panel.git.credentials} == {"team"}

    @pytest.fixture
    def ssh(self, panel: Panel) -> Iterator[SshGitServer]:
        with SshGitServer(panel.git) as server:
            yield server

    async def test_over_ssh_with_the_key_of_the_host(self, panel: Panel, ssh: SshGitServer) -> None:
        key = KeyPair()
        inner = panel.git.commit("library", {"b": "1"})
        self.commit(panel, "app", {"lib": ("../library.git", inner)})
        for name in ("app", "library"):
            ssh.allow(name, key.public)
        engine = panel.with_settings(allowed_private=(ssh.address,))
        url = ssh.url("app")
        access = Access(parse_remote(url).origin, private_key=key.private)
        await engine.fetch(replace(panel.fetch_spec(url), access=access), panel.report)
        assert ssh.commands == ["git-upload-pack '/app.git'", "git-upload-pack '/library.git'"]
        assert sum("First visit" in line for line in panel.lines) == 1

    async def test_of_another_owner_get_no_key(self, panel: Panel, ssh: SshGitServer) -> None:
        key = KeyPair()
        inner = panel.git.commit("board/secret", {"b": "1"})
        self.commit(panel, "team/app", {"stolen": ("../../board/secret.git", inner)})
        for name in ("team/app", "board/secret"):
            ssh.allow(name, key.public)
        engine = panel.with_settings(allowed_private=(ssh.address,))
        url = ssh.url("team/app")
        access = Access(parse_remote(url).origin, private_key=key.private)
        with pytest.raises(EngineError) as caught:
            await engine.fetch(replace(panel.fetch_spec(url), access=access), panel.report)
        assert caught.value.parameters["because"] == "key_withheld"
        assert ssh.commands == ["git-upload-pack '/team/app.git'"]

    @pytest.mark.parametrize(
        ("parent", "url", "reached"),
        [
            ("https://h.example/a/b.git", "../c.git", "https://h.example/a/c.git"),
            ("https://h.example/a/b", "./c", "https://h.example/a/b/c"),
            ("https://h.example:8443/a/b.git", "../../c/d.git", "https://h.example:8443/c/d.git"),
            ("git@h.example:a/b.git", "../c.git", "git@h.example:a/c.git"),
            ("git@h.example:b.git", "../c.git", "git@h.example:c.git"),
            ("ssh://git@h.example:2222/a/b.git", "../c.git", "ssh://git@h.example:2222/a/c.git"),
            ("https://h.example/a/b.git", "git@h.example:a/c.git", "https://h.example/a/c.git"),
            ("https://h.example/a/b.git", "ssh://git@h.example/a/c.git", "https://h.example/a/c.git"),
            ("https://h.example/a/b.git", "git@other.example:a/c.git", "git@other.example:a/c.git"),
            ("git@h.example:a/b.git", "https://h.example/a/c.git", "https://h.example/a/c.git"),
        ],
    )
    def test_are_found_where_git_finds_them(self, parent: str, url: str, reached: str) -> None:
        assert submodules.locate(url, parse_remote(parent)).url == reached

    async def test_of_a_hostile_list(self, panel: Panel, tmp_path: Path) -> None:
        (tmp_path / "config").write_text('[submodule "lib"]\npath = lib\nurl = http://127.0.0.1/\n')
        for content in (
            f"[include]\n\tpath = {tmp_path}/config\n",
            '[submodule "lib"]\n\tpath = ../../lib\n\turl = ../library.git\n',
            '[submodule "lib"]\n\tpath = lib\n',
            "\ufeff",
        ):
            panel.git.commit("app", {".gitmodules": content, "lib": (SUBMODULE, "ab" * 20)})
            tree, _ = await fetched(panel, panel.git.url("app"))
            assert list((tree / "lib").iterdir()) == []
        for listed in ((LINK, "/etc/passwd"), "no config at all", "x" * 100_000):
            panel.git.commit("app", {".gitmodules": listed, "lib": (SUBMODULE, "ab" * 20)})
            assert (await refused(panel, panel.git.url("app"))).code == "source_unreachable"
