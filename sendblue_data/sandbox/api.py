"""The eleven endpoints, as a Starlette application over the account's store."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from starlette.applications import Starlette
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from sendblue_data.sandbox import bodies
from sendblue_data.sandbox.account import Account
from sendblue_data.sandbox.bodies import RefusedError, tidied
from sendblue_data.sandbox.fields import Contact, whole
from sendblue_data.sandbox.message_list import list_messages
from sendblue_data.sandbox.shown import DOCUMENTED_ORDERS, SORTABLE, Answer, int_id, lists_are_plain, shown
from sendblue_data.sandbox.store import Store, moment

DEFAULT_LIMIT, MOST_LIMIT, MOST_OFFSET = 100, 1_000, 10_000
_ROOT = "/api/v2/contacts"
_MESSAGES = "/api/v2/messages"
_NO_CONTENT = 204


class _PhoneConvertor(StringConvertor):
    """Any text but the names of other paths: in OpenAPI a concrete path comes before one with a parameter."""

    regex = r"(?!(?:count|verify|opt-out|bulk)$)[^/]+"


register_url_convertor("phone", _PhoneConvertor())


def application(account: Account) -> Starlette:
    """Build the application that serves an account."""
    api = _Api(account)
    routes = [
        Route(_ROOT, api.list_, methods=["GET"]),
        Route(_ROOT, api.create, methods=["POST"]),
        Route(_ROOT, api.bulk_delete, methods=["DELETE"]),
        Route(f"{_ROOT}/count", api.count, methods=["GET"]),
        Route(f"{_ROOT}/verify", api.verify, methods=["POST"]),
        Route(f"{_ROOT}/opt-out", api.opt_out, methods=["POST"]),
        Route(f"{_ROOT}/bulk", api.bulk_create, methods=["POST"]),
        Route(_MESSAGES, api.messages, methods=["GET"]),
        Route(f"{_ROOT}/{{phone_number:phone}}", api.retrieve, methods=["GET"]),
        Route(f"{_ROOT}/{{phone_number:phone}}", api.update, methods=["PUT"]),
        Route(f"{_ROOT}/{{phone_number:phone}}", api.delete, methods=["DELETE"]),
    ]
    return Starlette(
        routes=routes, exception_handlers={RefusedError: api.refused, HTTPException: api.not_routed}
    )


def error_answer(
    status: int, message: str, headers: Mapping[str, str] | None = None, *, shape: str = "message"
) -> Response:
    """Return an error as the API words it, the message in a place of this shape."""
    if shape == "nested":
        return json_answer({"error": {"code": status, "message": message}}, status, headers)
    return json_answer({"status": "ERROR", shape: message}, status, headers)


def json_answer(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return an answer in JSON."""
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


class _Api:
    """One method an endpoint; every one runs in the server's thread, from its first line to its last."""

    def __init__(self, account: Account) -> None:
        self._account = account

    async def refused(self, _: Request, error: Exception) -> Response:
        if not isinstance(error, RefusedError):
            raise error
        return self._error(error.status, error.message, error.headers)

    async def not_routed(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, HTTPException):
            raise error
        headers = dict(error.headers or {})
        if "Allow" in headers:  # a path has a route for each method, and the error knows one of them
            routes = [route for route in request.app.routes if route.matches(request.scope)[0] != Match.NONE]
            headers["Allow"] = ", ".join(sorted({method for route in routes for method in route.methods}))
        return self._error(error.status_code, error.detail, headers)

    def _error(self, status: int, message: str, headers: Mapping[str, str]) -> Response:
        return error_answer(status, message, headers, shape=self._account.switches.error_shape)

    async def list_(self, request: Request) -> Response:
        switches, query = self._account.switches, request.query_params
        self._account.churn()
        limit = _whole_number(query.get("limit"), "limit", DEFAULT_LIMIT, least=1)
        offset = _whole_number(query.get("offset"), "offset", 0, least=0)
        if offset > MOST_OFFSET and switches.offset_past_cap == "refuse":
            raise RefusedError(400, f"offset is {offset}; at most {MOST_OFFSET}")
        order_by, descending = self._order(query)
        plain, cid = lists_are_plain(switches), query.get("cid")
        page = self._account.reads("list").page(
            limit=min(limit, MOST_LIMIT),
            offset=min(offset, MOST_OFFSET),
            order_by=order_by,
            descending=descending,
            nulls=switches.sort_nulls,
            shuffled=switches.ties == "shuffled",
            created_from=_since(query.get("created_at_gte")),
            phone=query.get("phone_number"),
            contact_id=cid if switches.contact_ids == "text" else self._text_id(cid),
            digits=switches.timestamps if plain else "us",
            with_id=switches.list_contact_id or not plain,
        )
        if plain:
            return Response(page, media_type="application/json")
        return json_answer([self._shown(whole(contact), "list") for contact in msgspec.json.decode(page)])

    async def messages(self, request: Request) -> Response:
        account = self._account
        account.churn_messages()
        answer = list_messages(account.message_log, request.query_params, account.switches, seed=account.seed)
        return json_answer(answer)

    def _text_id(self, number: str | None) -> str | None:
        """Return the id in the store that this number stands for; itself where there is none."""
        ids = self._account.store.contact_ids() if number else ()
        return next((text for text in ids if str(int_id(text)) == number), number)

    def _order(self, query: Mapping[str, str]) -> tuple[str | None, bool]:
        """Return the field to sort by, None for the order of insertion, and whether it descends."""
        switches = self._account.switches
        order_by, way = query.get("order_by"), query.get("order_direction")
        takes = DOCUMENTED_ORDERS if switches.order_names == "documented" else tuple(SORTABLE)
        if order_by is not None and order_by not in takes:
            raise RefusedError(400, f"order_by is {order_by!r}; expected one of {', '.join(takes)}")
        if way not in (None, "asc", "desc"):
            raise RefusedError(400, f"order_direction is {way!r}; expected asc or desc")
        if not switches.honour_order:
            return None, False
        if order_by is None:
            newest = switches.default_order == "newest"
            return ("created_at" if newest else None), (newest if way is None else way == "desc")
        return SORTABLE[order_by], way == "desc"

    async def count(self, _: Request) -> Response:
        return json_answer({"count": self._account.reads("count").count() + self._account.switches.count_off})

    async def retrieve(self, request: Request) -> Response:
        number = _path_phone(request)
        contact = self._known(number, self._account.reads("get"))
        return json_answer({"contact": self._shown(contact, "get"), "status": "OK"})

    async def create(self, request: Request) -> Response:
        body = bodies.json_object(await request.body())
        number, fields = bodies.number_of(body), tidied(bodies.created(body), self._account.switches)
        overwrite = bodies.flag(body, "update_if_exists", default=False)
        store = self._account.store
        with store.transaction(lagging=True):
            found = store.get(number)
            if found is None:
                contact = self._insert({"phone": number, **fields}, created_at=store.now())
            elif overwrite:
                contact = store.change(number, bodies.merged(found, fields))
            else:
                raise RefusedError(409, f"A contact with the number {number} already exists")
        return self._done({"contact": self._shown(contact, "create"), "status": "OK"})

    def _insert(self, fields: Contact, *, created_at: str) -> Contact:
        if fields.get("company_name") is None:
            fields = {**fields, "company_name": self._account.switches.default_company}
        return self._account.store.insert(fields, created_at=created_at)

    async def update(self, request: Request) -> Response:
        number = _path_phone(request)
        fields = tidied(bodies.updated(bodies.json_object(await request.body())), self._account.switches)
        store = self._account.store
        with store.transaction(lagging=True):
            contact = store.change(number, bodies.merged(self._known(number), fields))
            if isinstance(fields.get("opt_out"), bool):
                store.record_opt_out(number, opted_out=fields["opt_out"])
        return self._done({"contact": self._shown(contact, "write"), "status": "OK"})

    async def delete(self, request: Request) -> Response:
        number = _path_phone(request)
        self._known(number)
        self._remove([number])
        return self._done({"status": "OK"}, self._account.switches.delete_status)

    def _remove(self, phones: list[str]) -> int:
        with self._account.store.transaction(lagging=True):
            return self._account.remove(phones)

    async def opt_out(self, request: Request) -> Response:
        body = bodies.json_object(await request.body())
        number, opted_out = bodies.number_of(body), bodies.flag(body, "opted_out", default=True)
        store = self._account.store
        with store.transaction(lagging=True):
            if self._account.switches.opt_out_unknown == "refuse":
                self._known(number)
            self._account.opt_out(number, opted_out=opted_out)
        return self._done({"number": number, "opted_out": opted_out, "status": "OK"})

    async def verify(self, request: Request) -> Response:
        number = bodies.number_of(bodies.json_object(await request.body()))
        self._known(number)
        if self._account.switches.verify_finds == "none":
            raise RefusedError(404, "No contact found for this number")
        self._account.verifications.append(number)
        if self._account.switches.verify_marks:
            with self._account.store.transaction(lagging=True):
                self._account.store.change(number, {"verified": True})
        return self._done({"status": "OK"})

    async def bulk_create(self, request: Request) -> Response:
        rows = bodies.listed(bodies.json_object(await request.body()), "contacts")
        self._refuse_size(len(rows), "contacts")
        good: list[dict[str, Any]] = []
        for number, row in enumerate(rows):
            try:
                good.append(tidied(bodies.bulk_row(row, number), self._account.switches))
            except RefusedError:
                if self._account.switches.invalid_row == "reject":
                    raise
        touched = self._create_all(good)
        new_only = self._account.switches.bulk_answer == "new"
        store = self._account.store
        found = [store.get(phone) for phone, is_new in touched.items() if is_new or not new_only]
        contacts = [self._shown(contact, "create") for contact in found if contact]
        return self._done({"contacts": contacts, "status": "OK"})

    def _create_all(self, rows: list[dict[str, Any]]) -> dict[str, bool]:
        """Create in one transaction, with one moment for all; return each phone, and whether it is new."""
        store, on_duplicate = self._account.store, self._account.switches.on_duplicate
        touched: dict[str, bool] = {}
        duplicate = None
        with store.transaction(lagging=True):
            created_at = store.now()
            for row in rows:
                phone = row["phone"]
                found = store.get(phone)
                if found is None:
                    self._insert(row, created_at=created_at)
                    touched[phone] = True
                    continue
                if on_duplicate == "reject":
                    raise RefusedError(
                        409, f"A contact with the number {phone} already exists; none was created"
                    )
                if on_duplicate == "partial":
                    duplicate = phone
                    break
                touched.setdefault(phone, False)
                if on_duplicate == "update":
                    store.change(phone, bodies.merged(found, row))
        if duplicate is not None:
            raise RefusedError(
                409, f"A contact with the number {duplicate} already exists; those before it were created"
            )
        return touched

    async def bulk_delete(self, request: Request) -> Response:
        phones = bodies.listed(bodies.json_object(await request.body()), "contact_ids")
        self._refuse_size(len(phones), "contact_ids")
        if not all(isinstance(phone, str) for phone in phones):
            raise RefusedError(400, "contact_ids must be an array of phone numbers")
        removed = self._remove(phones)
        amount = len(phones) if self._account.switches.delete_amount == "all" else removed
        return self._done({"amount": amount, "status": "OK"}, self._account.switches.delete_status)

    def _refuse_size(self, size: int, name: str) -> None:
        most = self._account.switches.max_bulk
        if most is not None and size > most:
            raise RefusedError(
                self._account.switches.max_bulk_status, f"{name} has {size} items; at most {most}"
            )

    def _known(self, number: str, store: Store | None = None) -> Contact:
        contact = (store or self._account.store).get(number)
        if contact is None:
            raise RefusedError(404, f"No contact with the number {number}")
        return contact

    def _done(self, content: object, status: int = 200) -> Response:
        """Answer a write that went well."""
        if status == _NO_CONTENT or self._account.switches.empty_writes:
            return Response(status_code=_NO_CONTENT)
        return json_answer(content, status)

    def _shown(self, contact: Contact, answer: Answer) -> Contact:
        return shown(contact, self._account.switches, answer, seed=self._account.seed)


def _path_phone(request: Request) -> str:
    return bodies.phone(request.path_params["phone_number"], "phone_number")


def _whole_number(text: str | None, name: str, default: int, *, least: int) -> int:
    if text is None:
        return default
    if not (text.isascii() and text.isdigit()) or int(text) < least:
        raise RefusedError(400, f"{name} is {text!r}; expected a whole number, {least} or more")
    return int(text)


def _since(text: str | None) -> str | None:
    try:
        return moment(text)
    except ValueError as error:
        raise RefusedError(400, f"created_at_gte: {error}") from None
