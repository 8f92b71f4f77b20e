# The public names, each once: `__init__.py` loads them from here when they are first used.

from . import errors as errors, plots as plots, sandbox as sandbox
from ._api.client import SendblueClient as SendblueClient
from ._frames.bounds import max_rows_to_client as max_rows_to_client
from ._frames.grouping import created_period as created_period
from .analytics.benchmark import Benchmark as Benchmark, compare_with_benchmark as compare_with_benchmark
from .analytics.by_age import opt_out_by_age as opt_out_by_age
from .analytics.drivers import opt_out_drivers as opt_out_drivers
from .analytics.opt_outs import opt_out_cohorts as opt_out_cohorts, opt_out_rate as opt_out_rate
from .analytics.overview import Overview as Overview, overview as overview
from .analytics.sample_size import (
    contacts_needed as contacts_needed,
    detectable_difference as detectable_difference,
)
from .analytics.segments import compare_segments as compare_segments, segment_overlap as segment_overlap
from .analytics.tag_spelling import similar_tags as similar_tags
from .analytics.tags import (
    tag_combinations as tag_combinations,
    tag_growth as tag_growth,
    tag_pairs as tag_pairs,
    tag_summary as tag_summary,
)
from .analytics.verification import (
    verification_backlog as verification_backlog,
    verification_funnel as verification_funnel,
    verification_rate as verification_rate,
    verification_worklist as verification_worklist,
)
from .contacts import contacts_frame as contacts_frame
from .diagnosis.examine import doctor as doctor
from .diagnosis.findings import Diagnosis as Diagnosis
from .display.notebook import readable_in_notebooks as readable_in_notebooks
from .display.tables import readable as readable
from .errors import IncompletePullError as IncompletePullError, SendblueError as SendblueError
from .explorer.contact_explorer import ContactExplorer as ContactExplorer
from .export import write_contacts as write_contacts
from .history.contact_history import ContactHistory as ContactHistory
from .imports.imported import ImportedContacts as ImportedContacts
from .imports.read import read_contacts as read_contacts
from .imports.suppressions import suppression_list as suppression_list
from .messages.after_opt_out import texts_after_opt_out as texts_after_opt_out
from .messages.delivery import delivery as delivery
from .messages.engagement import engagement as engagement
from .messages.hazard import opt_out_hazard as opt_out_hazard
from .messages.opt_out_times import opt_out_times as opt_out_times
from .messages.per_message import opt_outs_per_message as opt_outs_per_message
from .messages.replies import replies as replies
from .phones import normalize_phones as normalize_phones
from .pull.evidence import MessagePullEvidence as MessagePullEvidence, PullEvidence as PullEvidence
from .pull.messages import (
    iter_messages as iter_messages,
    merge_messages as merge_messages,
    pull_messages as pull_messages,
)
from .pull.partitions import (
    PulledFolder as PulledFolder,
    pull_partitions as pull_partitions,
)
from .pull.pull import (
    iter_contacts as iter_contacts,
    merge_contacts as merge_contacts,
    pull_contacts as pull_contacts,
)
from .report.report import write_report as write_report
from .sandbox import Sandbox as Sandbox
from .schema import CONTACT_SCHEMA as CONTACT_SCHEMA, MESSAGE_SCHEMA as MESSAGE_SCHEMA
from .segments.field_rules import field_is as field_is, mentions as mentions
from .segments.files import load_segments as load_segments, save_segments as save_segments
from .segments.parsing import parse_segment as parse_segment
from .segments.predicates import (
    area_code as area_code,
    created_between as created_between,
    created_within as created_within,
    describe as describe,
    has_any_tag as has_any_tag,
    has_tag as has_tag,
    never_replied as never_replied,
    opted_out as opted_out,
    phone_region as phone_region,
    reachable as reachable,
    replied_within as replied_within,
    texted_within as texted_within,
    untagged as untagged,
    variable as variable,
    verified as verified,
)
from .segments.regions import with_phone_region as with_phone_region
from .writeback.calls import (
    bulk_create as bulk_create,
    bulk_delete as bulk_delete,
    bulk_opt_out as bulk_opt_out,
    bulk_update as bulk_update,
    bulk_verify as bulk_verify,
    plan_create as plan_create,
    plan_delete as plan_delete,
    plan_opt_out as plan_opt_out,
    plan_update as plan_update,
    plan_verify as plan_verify,
)
from .writeback.catalogue import (
    list_runs as list_runs,
    prune_runs as prune_runs,
    rebuild_ledger as rebuild_ledger,
)
from .writeback.erasure import forget as forget
from .writeback.plan import WritePlan as WritePlan
from .writeback.result import WriteResult as WriteResult
from .writeback.run import resume_run as resume_run
from .writeback.tags import (
    add_tags as add_tags,
    plan_add_tags as plan_add_tags,
    plan_remove_tags as plan_remove_tags,
    remove_tags as remove_tags,
    rename_tags as rename_tags,
)
from .writeback.undo import undo_run as undo_run

__version__: str
