"""The missed calls of the table that call_records.py fills: who called, when, how often, and was not answered since.

A caller leaves the list as soon as a call from or to that number is answered. CTI_DATABASE is the database.
"""

from contextlib import closing

from call_records import DATABASE, Database

MISSED = """SELECT missed.caller, COUNT(*), MAX(missed.started_at), MAX(missed.wait_seconds), MAX(missed.queue)
    FROM calls missed
    WHERE missed.direction = 'inbound' AND missed.outcome IN ('missed', 'abandoned') AND missed.caller IS NOT NULL
        AND NOT EXISTS (
            SELECT 1 FROM calls later
            WHERE later.source = missed.source AND later.started_at > missed.started_at AND later.answered_at IS NOT NULL
                AND (later.direction = 'inbound' AND later.caller = missed.caller
                    OR later.direction = 'outbound' AND later.called = missed.caller))
    GROUP BY missed.source, missed.caller
    ORDER BY MAX(missed.started_at), missed.caller"""


def main():
    with closing(Database(DATABASE)) as database:
        print(f"{'caller':<16} {'calls':>5} {'last call':<20} {'waited':>7}  queue")
        for caller, calls, last, waited, queue in database.query(MISSED):
            print(f"{caller:<16} {calls:>5} {last[:19]}Z {waited:>5.0f} s  {queue or ''}".rstrip())


main()
