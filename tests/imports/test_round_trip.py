"""What `write_contacts` wrote, `read_contacts` reads as the same contacts, whatever they hold."""

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from sendblue_data import CONTACT_SCHEMA, read_contacts, write_contacts
from tests.test_contact_files import FIELDS, OPTIONS

REACHED = {**FIELDS, "phone": st.none() | st.from_regex(r"\A\+1[2-9]1255501[0-9]{2}\Z")}
ROWS = st.fixed_dictionaries({name: st.none() | field for name, field in REACHED.items()})


@pytest.mark.slow
@pytest.mark.parametrize(("name", "options"), OPTIONS)
def test_it_reads_back_equal(tmp_path, name, options):
    @settings(
        max_examples=15,
        deadline=None,
        phases=[Phase.explicit, Phase.reuse, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(
        st.lists(ROWS, min_size=1, max_size=4), st.lists(st.sampled_from(list(CONTACT_SCHEMA)), unique=True)
    )
    def property_holds(rows, left_out):
        frame = pl.DataFrame(rows, schema=CONTACT_SCHEMA).drop(*(set(left_out) - {"phone"}))
        if name == "out.xlsx":  # a row without a cell is none
            frame = frame.filter(pl.any_horizontal(pl.all().is_not_null()))
        if not frame.height:
            return
        back = read_contacts(write_contacts(frame, tmp_path / name, **options))
        assert back.frame.select(frame.columns).rows() == frame.rows()
        assert back.frame.schema == {"row": pl.UInt32, **CONTACT_SCHEMA, "phone_problem": pl.String}

    property_holds()
