"""Pages of requests: the inbox, one request with what is needed to decide, and the decisions."""

from django.contrib import messages
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_GET, require_POST

from backups.access import may, role_required
from backups.listing import paginate

from . import forms, services, voting
from .errors import ApprovalError
from .models import ApprovalRequest
from .proving import NotProven, prove
from .tabs import tabs_for
from .telling import told


@require_GET
@role_required("pages.read")
def request_list(request):
    tabs, tab = tabs_for(request.user, request.GET.get("tab", ""))
    context = {"tabs": tabs, "tab": tab, "page": paginate(request, tab.rows) if tab.is_long else None}
    return render(request, "backups/approvals/list.html", context)


@require_GET
@role_required("pages.read")
def detail(request, pk: int):
    return _page(request, _asked(pk))


@require_POST
@role_required("request.vote")
@sensitive_post_parameters("password")
def approve(request, pk: int):
    return _vote(request, pk, forms.ApproveForm, voting.approve, "You approved {}.")


@require_POST
@role_required("request.vote")
@sensitive_post_parameters("password")
def reject(request, pk: int):
    return _vote(request, pk, forms.RejectForm, voting.reject, "You rejected {}.")


def _vote(request, pk: int, form_class, verb, said: str):
    """The password first: whether it is right tells nobody anything about the request."""
    asked, form = _asked(pk), form_class(request.POST)
    name = "against" if form_class is forms.RejectForm else "decide"
    if not form.is_valid():
        return _page(request, asked, status=422, **{name: form})
    try:
        prove(request, form.cleaned_data)
    except NotProven as error:
        form.add_error("password", str(error))
        answer = _page(request, asked, status=error.status, **{name: form})
        if error.wait:
            answer["Retry-After"] = str(error.wait)
        return answer
    given = {"digest": form.cleaned_data["digest"], "comment": form.cleaned_data["comment"]}
    return _done(request, asked, form, name, lambda: verb(asked, actor=request.user, **given), said)


@require_POST
@role_required("request.comment")
def comment(request, pk: int):
    asked, form = _asked(pk), forms.CommentForm(request.POST)
    if not form.is_valid():
        return _page(request, asked, status=422, say=form)
    said = {"text": form.cleaned_data["text"], "asks_change": "asks_change" in request.POST}
    return _done(request, asked, form, "say", lambda: services.comment(asked, actor=request.user, **said), "")


@require_POST
@role_required("restore.request")
def withdraw(request, pk: int):
    asked = _asked(pk)
    return _done(request, asked, None, "", lambda: services.withdraw(asked, actor=request.user), "{} was withdrawn.")


@require_POST
@role_required("request.review")
def review(request, pk: int):
    asked, form = _asked(pk), forms.ReviewForm(request.POST)
    if not form.is_valid():
        return _page(request, asked, status=422, look=form)
    given = {"accepted": form.cleaned_data["found"] == "accepted", "note": form.cleaned_data["note"]}
    return _done(
        request, asked, form, "look", lambda: services.review(asked, actor=request.user, **given), "You reviewed {}."
    )


def _asked(pk: int) -> ApprovalRequest:
    rows = ApprovalRequest.objects.select_related("requester", "run", "reviewed_by", "earlier")
    return get_object_or_404(rows, pk=pk)


def _done(request, asked: ApprovalRequest, form, name: str, verb, said: str):
    """Do it and go back to the page. What is wrong with the form comes back with it (422); what is not so any more is
    shown as it is now (409)."""
    try:
        verb()
    except ApprovalError as error:
        if form is not None and error.field in form.fields:
            form.add_error(error.field, str(error))
            return _page(request, asked, status=422, **{name: form})
        return _page(request, _asked(asked.pk), status=409, refused=str(error))
    if said:
        messages.success(request, said.format(asked.number))
    return redirect(asked)


def _page(request, asked: ApprovalRequest, status: int = 200, refused: str = "", **bound):
    """The page of a request; ``bound`` are forms that came back with errors: decide, against,
    say, look."""
    blank = {"say": forms.CommentForm(), "look": forms.ReviewForm()}
    shown = {"digest": asked.digest}
    blank |= {"decide": forms.ApproveForm(initial=shown), "against": forms.RejectForm(initial=shown)}
    context = told(asked, request.user) | blank | bound | {"asked": asked, "refused": refused}
    context["may_look"] = context["to_review"] and may(request.user, "request.review")
    return render(request, "backups/approvals/detail.html", context, status=status)
