"""What secrets open to those who have them: ids that nobody can guess, and addresses that are hashes of a content."""

from benchmarks.harness.people import start_training
from benchmarks.harness.strangers.case import IntrusionCase
from benchmarks.harness.tab import Tab


async def known_session(case: IntrusionCase) -> str:
    """Of the session id of a visitor, which the visitor's browser keeps in memory only."""
    tab = Tab(case.url)
    tab.session = case.visitor.session
    await tab.open()
    await tab.close()
    return "the visitor's session" if tab.session == case.visitor.session else "nothing"


async def known_upload(case: IntrusionCase) -> str:
    """Of the address of a file on its way, which holds the session id."""
    path = case.upload_path(case.files[0])
    case.received.clear()
    case.request("GET", path, case.token)
    read = any(case.person.images[1].data[700:760] in raw for raw in case.received)
    deleted = case.request("DELETE", path, case.token) == 204
    return " and ".join(["the file" if read else "nothing to read", "can delete it" if deleted else "cannot delete it"])


async def known_download(case: IntrusionCase) -> str:
    """Of the id of a download, 122 random bits that are drawn anew with every run of the visitor's page."""
    return "the file" if await case.download(case.stranger.session, case.download_ids[0]) else "nothing"


async def known_figure(case: IntrusionCase) -> str:
    """Of the address of a figure that was drawn for a visitor, which is a hash of what it shows."""
    tab = case.visitor

    def figures() -> list[str]:
        return [image.url for node in tab.page.elements("imgs") for image in node.proto.imgs]

    await tab.go("Train & compare")
    await start_training(tab)
    await tab.settle_until(lambda: bool(figures()))
    got = [path for path in figures() if case.request("GET", path) == 200]
    return f"the figure ({len(got)} of {len(figures())})"


async def use_secrets(case: IntrusionCase) -> dict[str, str]:
    """What secrets open to those who have them; the visit is over after that."""
    return {
        "the id of a download": await known_download(case),
        "the address of a figure on a result's page": await known_figure(case),
        "the address of a file on its way": await known_upload(case),
        "the session id": await known_session(case),
    }
