"""What axe-core, the checker of the Web Content Accessibility Guidelines, finds in a window."""

from axe_playwright_python.sync_playwright import Axe

SCHEMES = ("light", "dark")


def faults(page, rules=()):
    """Serious and critical faults, each as rule, element and reason; of all rules, or of those named."""
    options = {"resultTypes": ["violations"], **({"runOnly": list(rules)} if rules else {})}
    found = Axe().run(page, options=options).response["violations"]
    return [
        f"{fault['id']}: {node['html'][:200]} at {node['target']}: {node['failureSummary']}"
        for fault in found
        if fault["impact"] in ("serious", "critical")
        for node in fault["nodes"]
    ]


def expect_accessible(window, widths=(1440, 390)):
    """No fault in either scheme of colours, on a desktop or on a phone."""
    page = window.page
    for width in widths:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function("width => innerWidth === width", arg=width)
        for scheme in SCHEMES if width == widths[0] else SCHEMES[:1]:  # colours are the same at any width
            page.emulate_media(color_scheme=scheme)
            page.wait_for_function(
                "scheme => getComputedStyle(document.querySelector('.stApp')).colorScheme === scheme", arg=scheme
            )
            window.settle()
            # What else there is to find does not depend on colours.
            found = faults(page, () if scheme == SCHEMES[0] else ["color-contrast"])
            assert found == [], "\n".join([f"at {width} px, {scheme}", *found])
