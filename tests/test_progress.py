"""Progress bars wait for nobody."""

import threading

import pytest
from tqdm import tqdm

from sendblue_data import bulk_delete, pull_contacts


@pytest.mark.timeout(60)
@pytest.mark.parametrize("progress", [False, True])
def test_a_lock_of_tqdm_that_was_left_held_holds_up_nothing(open_account, progress):
    """As an interrupt within tqdm, or a process killed there, leaves it."""
    _, client = open_account(20, seed=1)
    held, over = threading.Event(), threading.Event()

    def hold():
        with tqdm.get_lock():
            held.set()
            over.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    try:
        contacts = pull_contacts(client, progress=progress)
        bulk_delete(client, contacts.head(3), progress=progress)
        assert pull_contacts(client, progress=progress).height == 17
    finally:
        over.set()
        holder.join()
