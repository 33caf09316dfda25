package mssql_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"meshrotate/state"
	"meshrotate/state/chain"
	"meshrotate/state/mssql"
)

func entry(i int) state.Entry {
	return state.Entry{Time: time.Date(2026, 11, 23, 0, 0, i, 0, time.UTC), Run: "r", Secret: "relaykey", Version: fmt.Sprint(i), Step: "switch/stop", Outcome: state.Done, Fence: 3}
}

func hintOf(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Who uses the tables that the script made cannot change or remove what is recorded.
func TestARecordIsNotChanged(t *testing.T) {
	w := newWorld(t, false)
	defer w.close()
	w.script(t)
	s := w.open(runner)
	if err := s.Append(t.Context(), entry(1)); err != nil {
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), "relaykey/7.age", []byte("x")); err != nil {
		t.Fatal(err)
	}
	for _, batch := range []string{
		"UPDATE meshrotate.ledger SET outcome = 'proven'", "DELETE meshrotate.ledger", "DELETE FROM meshrotate.ledger WHERE n = 1", "TRUNCATE TABLE meshrotate.ledger",
		"DROP TABLE meshrotate.ledger", "UPDATE meshrotate.kept SET content = 0x00", "DELETE meshrotate.kept", "DELETE meshrotate.state",
		"INSERT meshrotate.state (id, version, entries, chain, fence, beats, ttl) VALUES (1, 1, 0, '', 0, 0, 0)",
		"ALTER ROLE db_owner ADD MEMBER " + runner, "GRANT UPDATE ON meshrotate.ledger TO " + runner,
	} {
		if err := w.send(runner, batch); err == nil || !strings.Contains(err.Error(), "permission") {
			t.Errorf("%s: %v", batch, err)
		}
	}
	if got, err := s.Entries(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("%v, %v", got, err)
	}
}

// The columns beside the entry are for people.
func TestTheLedgerCanBeQueried(t *testing.T) {
	w := newWorld(t, false)
	defer w.close()
	if err := w.open(owner).Append(t.Context(), entry(1), entry(2)); err != nil {
		t.Fatal(err)
	}
	x, err := w.as(owner)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	found := ""
	err = x.Select(t.Context(), "SELECT time, run, secret, version, step, outcome, fence FROM meshrotate.ledger WHERE secret = N'relaykey' AND version = N'2'", nil, func(_ int, scan func(...any) error) error {
		var when time.Time
		var run, secret, version, step, outcome string
		var fence int
		err := scan(&when, &run, &secret, &version, &step, &outcome, &fence)
		found += fmt.Sprint(when.Format(time.RFC3339), run, secret, version, step, outcome, fence)
		return err
	})
	if err != nil || found != "2026-11-23T00:00:02Zrrelaykey2switch/stopdone3" {
		t.Errorf("%s, %v", found, err)
	}
}

// Who may not make the tables is told what is missing, and where the script is.
func TestAMissingRight(t *testing.T) {
	w := newWorld(t, false)
	defer w.close()
	s := w.open(stranger)
	for what, err := range map[string]error{
		"append": s.Append(t.Context(), entry(1)), "check": s.Check(t.Context()), "create": s.Create(t.Context(), "a/1", nil), "reserve": s.Reserve(t.Context(), 1),
		"salt": second(s.Salt(t.Context())), "acquire": second(s.Acquire(t.Context(), state.Holder{Run: "r"})),
	} {
		if err == nil || !strings.Contains(hintOf(err), "meshrotate schema --sql=meshrotate") || !strings.Contains(hintOf(err), "CREATE SCHEMA") {
			t.Errorf("%s: %v (%s)", what, err, hintOf(err))
		}
	}
	if is, err := s.Present(t.Context()); err != nil || is.Unable == nil || is.Begun {
		t.Errorf("%+v, %v", is, err)
	}
	if got, err := s.Entries(t.Context()); err != nil || got != nil {
		t.Errorf("a ledger that nobody began: %v, %v", got, err)
	}
	w.script(t)
	if _, err := s.Entries(t.Context()); err == nil || !strings.Contains(err.Error(), "permission") {
		t.Errorf("who may not read believes that there is nothing: %v", err)
	}
}

func second[T any](_ T, err error) error { return err }

// Whatever happened to the rows, it is told, and nothing is added to such a ledger.
func TestDamage(t *testing.T) {
	forged := func() string {
		c := chain.New()
		lines, err := c.Encode([]state.Entry{entry(1), entry(2), entry(3), entry(4)})
		if err != nil {
			t.Fatal(err)
		}
		all := strings.Split(strings.TrimSpace(string(lines)), "\n")
		return fmt.Sprintf("INSERT meshrotate.ledger (n, chain, time, run, secret, version, step, outcome, fence, entry) VALUES (4, '%s', '2026-11-23', N'r', N'', N'', N'', N'', 0, N'%s')",
			chain.Link([]byte(all[3])), all[3])
	}()
	for _, c := range []struct{ batch, text string }{
		{`UPDATE meshrotate.ledger SET entry = REPLACE(entry, '"done"', '"failed"') WHERE n = 2`, "n = 2"},
		{"UPDATE meshrotate.ledger SET entry = N'nonsense' WHERE n = 1", "n = 1"},
		{"DELETE meshrotate.ledger WHERE n = 1", "n = 1: this row is missing"},
		{"DELETE meshrotate.ledger WHERE n = 2", "n = 2: this row is missing"},
		{"DELETE meshrotate.ledger WHERE n = 3", "n = 3: this row is missing"},
		{"DELETE meshrotate.ledger", "n = 1: this row is missing"},
		{"UPDATE meshrotate.ledger SET n = 9 WHERE n = 1; UPDATE meshrotate.ledger SET n = 1 WHERE n = 2; UPDATE meshrotate.ledger SET n = 2 WHERE n = 9", "n = 1"},
		{forged, "n = 4: the head does not know this row"},
		{"UPDATE meshrotate.state SET entries = 2", "n = 3: the head does not know this row"},
		{"UPDATE meshrotate.state SET entries = 4", "n = 4: this row is missing"},
		{"UPDATE meshrotate.state SET chain = '00'", "n = 3: this row is not the one"},
		{"DELETE meshrotate.state", "the row of [meshrotate].[state] is gone"},
		{"DROP TABLE meshrotate.state", "[meshrotate].[state] is missing"},
		{"DROP TABLE meshrotate.ledger", "SQL error 208"},
		{"UPDATE meshrotate.state SET version = 99", "version 99"},
	} {
		w := newWorld(t, false)
		old := w.open(owner)
		if err := old.Append(t.Context(), entry(1), entry(2), entry(3)); err != nil {
			t.Fatal(err)
		}
		w.do(t, c.batch)
		for what, err := range map[string]error{"read": second(w.open(owner).Entries(t.Context())), "append": w.open(owner).Append(t.Context(), entry(4))} {
			if err == nil || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%s: %s: %v", c.batch, what, err)
			}
		}
		w.close()
	}
}

func TestMigration(t *testing.T) {
	w := newWorld(t, false)
	defer w.close()
	if err := w.open(owner).Append(t.Context(), entry(1)); err != nil {
		t.Fatal(err)
	}
	mssql.Next(t.Cleanup, "ALTER TABLE {state} ADD more int NULL", "UPDATE {state} SET more = 7")
	if got, err := w.open(owner).Entries(t.Context()); err != nil || len(got) != 1 {
		t.Errorf("a look at the older tables: %v, %v", got, err)
	}
	if err := w.send(owner, "SELECT more FROM meshrotate.state"); err == nil {
		t.Error("a look has changed the tables")
	}
	for i := range 2 {
		if err := w.open(owner).Append(t.Context(), entry(2+i)); err != nil {
			t.Fatal(err)
		}
	}
	w.do(t, "SELECT more FROM meshrotate.state")
	if got, err := w.open(owner).Entries(t.Context()); err != nil || len(got) != 3 {
		t.Errorf("%v, %v", got, err)
	}
}

// A log that is full ends a run before it stops anything; a lease that cannot be renewed then is seen to be alive.
func TestTheLogIsFull(t *testing.T) {
	virtual(t, func(t *testing.T, w *world) {
		s := w.open(owner)
		l, err := s.Acquire(t.Context(), state.Holder{Run: "r1"})
		if err != nil {
			t.Fatal(err)
		}
		w.full(true)
		for what, err := range map[string]error{"append": s.Append(t.Context(), entry(1)), "reserve": s.Reserve(t.Context(), 1000), "check": s.Check(t.Context()), "create": s.Create(t.Context(), "a/1", nil)} {
			if err == nil || !strings.Contains(err.Error(), "log is full") {
				t.Errorf("%s: %v", what, err)
			}
		}
		time.Sleep(2 * mssql.DefaultTTL)
		if err := l.Check(t.Context()); err != nil {
			t.Errorf("the lease: %v", err)
		}
		var held *state.HeldError
		if _, err := w.open(owner).Acquire(t.Context(), state.Holder{Run: "r2"}); !errors.As(err, &held) || held.Holder.Run != "r1" {
			t.Errorf("somebody else: %v", err)
		}
		w.full(false)
		if err := s.Append(t.Context(), entry(1)); err != nil {
			t.Error(err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
