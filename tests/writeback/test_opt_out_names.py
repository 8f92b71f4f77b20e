"""Columns by which other products say who opted out: refused by name, each with how to map it."""

import polars as pl
import pytest

from sendblue_data import plan_create, plan_update, plan_verify
from sendblue_data.contacts import contacts_frame
from sendblue_data.errors import FrameError
from tests.writeback.people import phone

SAYS = """SMS Marketing Consent|Accepts SMS Marketing|subscribed|opt_in|DND|DoNotCall|SMS_BLACKLISTED|suppressed|STOP|
Consent|GDPR|email_status|is_subscribed|unsubscribed_at|blocklisted|Opt-Out Date|optedOut|dontText|No SMS|OK to text|
Abgemeldet|Einwilligung|Désabonné|Ne pas contacter|consentement|Dado de baja|No llamar|suscrito|Descadastrado|
não contatar|disiscritto|Consenso|afgemeld|toestemming|Wypisany|Wyrażono zgodę|nie kontaktować|avregistrerad|samtycke|
Afmeldt|Må ikke kontaktes|avmeldt|suostumus|Markkinointikielto|abonelik|İzin|配信停止|配信同意|オプトアウト|受信拒否"""
SILENT = """Christopher|Option|adopting|Bishop|stopover|desktop|description|company_id|stage|status|email|notes|state|
Region|plan|last_order|score|adoption|variable_1|tags2|message|contact|phone_problem|lead_source|timezone"""


def names(listed):
    return [name.strip() for name in listed.replace("\n", "").split("|")]


@pytest.mark.parametrize("name", names(SAYS))
def test_a_column_that_says_who_opted_out_is_never_left_out_unsaid(name):
    account = contacts_frame([])
    frame = pl.DataFrame({"phone": [phone(0)], name: ["UNSUBSCRIBED"]})
    for plan in (plan_create, plan_update, plan_verify):
        with pytest.raises(FrameError, match="map it"):
            plan(account, frame)
        with pytest.raises(FrameError, match="map it"):
            plan(account, frame.with_columns(opt_out=pl.lit(None, pl.Boolean)))
    mapped = frame.with_columns(opt_out=pl.col(name) == "UNSUBSCRIBED")
    assert plan_create(account, mapped).opted_out == 1


@pytest.mark.parametrize("name", names(SILENT))
def test_a_column_of_the_users_own_is_taken(name):
    assert plan_create(contacts_frame([]), pl.DataFrame({"phone": [phone(0)], name: ["x"]})).counts == {
        "create": 1
    }
