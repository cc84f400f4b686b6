"""The paths beside the rows of a resource, which are no ids."""

from starlette.convertors import StringConvertor, register_url_convertor

BESIDE = ("bulk", "events", "export", "import")
CONVERTOR = "stanchion_row"


class _RowConvertor(StringConvertor):
    """What may be an id in a path: anything but the names that stand beside the ids."""

    regex = f"(?!(?:{'|'.join(BESIDE)})(?:/|$))[^/]+"


register_url_convertor(CONVERTOR, _RowConvertor())
