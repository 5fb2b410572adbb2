"""Refusals in the form of OpenAI's errors, which its clients turn into exceptions."""

from starlette.responses import JSONResponse


class BadRequest(ValueError):
    """What a client did wrong: one line, the field it stands in, OpenAI's code and the HTTP status for it."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None, status: int = 400):
        super().__init__(message)
        self.param, self.code, self.status = param, code, status


def body(status: int, message: str, param: str | None = None, code: str | None = None) -> dict:
    kind = "rate_limit_error" if status == 429 else "server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def response(
    status: int,
    message: str,
    param: str | None = None,
    code: str | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    return JSONResponse(body(status, message, param, code), status, headers)
