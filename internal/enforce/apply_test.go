package enforce

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/limit"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/standing"
)

// TestWarnStopBlockLift goes through a day: rosa is told, stopped and blocked,
// ines is not touched, a second apply does nothing, and what is exempted is
// lifted.
func TestWarnStopBlockLift(t *testing.T) {
	w := newWorld(t, people("enforce", "50%: notify", "100%: stop", "120%: block")).withIAM("Analyst")
	rosa, ines := w.who("rosa@example.com", assumed("Analyst", "rosa@example.com")), w.who("ines@example.com", assumed("Analyst", "ines@example.com"))
	w.query("q1", rosa, 3*time.Hour, 60e9, false)
	w.query("q2", ines, 2*time.Hour, 10e9, true)
	w.says(w.apply(), "notify done")
	w.says(w.apply())

	w.query("q3", rosa, time.Hour, 50e9, true)
	w.query("q4", rosa, 30*time.Minute, 1e9, true)
	w.says(w.apply(), "stop q3 done", "stop q4 done", "notify done")
	if n := w.api.Counts("StopQueryExecution").IDs; n != 2 {
		t.Errorf("%d queries were stopped, want rosa's two", n)
	}

	before, calls := w.files(), w.api.Counts("StopQueryExecution").Requests
	w.says(w.apply())
	if after := w.files(); after != before || w.api.Counts("StopQueryExecution").Requests != calls {
		t.Errorf("applied again, the same state called or wrote something:\n%s\n%s", before, after)
	}

	w.query("q5", rosa, 20*time.Minute, 30e9, true)
	w.says(w.apply(), "stop q5 done", "block arn:aws:iam::123456789012:role/Analyst session rosa@example.com done", "notify done")
	end := noon.Truncate(24*time.Hour).AddDate(0, 0, 1)
	policy := w.inline("Analyst")
	if w.may(policy, "rosa@example.com", w.now) || !w.may(policy, "rosa@example.com", end) || !w.may(policy, "ines@example.com", w.now) {
		t.Errorf("the policy does not deny rosa until midnight and nobody else: %s", policy)
	}
	w.says(w.apply())

	exempt := w.definitions[0]
	exempt.Exempt = []limit.Exempt{{Match: limit.Match{Person: []string{"rosa@example.com"}}, Until: "2026-11-04", Reason: "closing"}}
	w.definitions = []limit.Definition{exempt}
	w.says(w.apply(), "lift arn:aws:iam::123456789012:role/Analyst session rosa@example.com done exempt until 2026-11-04")
	if policy := w.inline("Analyst"); !w.may(policy, "rosa@example.com", w.now) {
		t.Errorf("rosa is still denied: %s", policy)
	}
	w.says(w.apply())

	for key, n := range w.teller.told {
		if n != 1 {
			t.Errorf("%s was told %d times", key, n)
		}
	}
	var kinds []string
	for _, m := range w.teller.messages {
		kinds = append(kinds, string(m.Kind))
		if m.Person != "rosa@example.com" {
			t.Errorf("%s tells of %s", m.Key, m.Person)
		}
	}
	if got := strings.Join(kinds, " "); got != "limit_warn limit_stop limit_block limit_lift" {
		t.Errorf("told: %s", got)
	}
	// q1 is all of the first message's use, and less than half of the last's.
	if first := w.teller.messages[0]; len(first.Advice) != 1 || !strings.HasPrefix(first.Advice[0], "One query, q1, scanned more than half of it: see whether it filters") {
		t.Errorf("advised %q", first.Advice)
	}
	block := w.teller.messages[2]
	if len(block.Advice) != 0 {
		t.Errorf("advised %q", block.Advice)
	}
	if block.Used != "141 GB" || block.Allowed != "100 GB" || len(block.Queries) != 3 || block.Queries[0].ID != "q1" || !strings.Contains(strings.Join(block.Done, " "), "until 2026-11-04 00:00 UTC") {
		t.Errorf("the message of the block: %+v", block)
	}

	history := map[string]int{}
	for _, a := range w.history() {
		history[a.Action+" "+a.Outcome]++
		if a.LimitName != "people-day" || a.Subject != "rosa@example.com" || a.Allowed != 100e9 || a.Unit != "bytes" || a.Action != athenatrail.ActLift && a.Used < 60e9 {
			t.Errorf("fact %+v", a)
		}
	}
	for what, want := range map[string]int{"notify done": 3, "stop done": 3, "block done": 1, "lift done": 1} {
		if history[what] != want {
			t.Errorf("history: %v, want %s %d times", history, what, want)
		}
	}
	for p := range lake.Verify(t.Context(), w.lake, "facts/limit_actions") {
		t.Errorf("verify: %s", p)
	}
}

// TestModes: one that observes does nothing, one that warns only tells.
func TestModes(t *testing.T) {
	for mode, want := range map[string][]string{"observe": nil, "warn": {"notify done", "notify done"}} {
		w := newWorld(t, people(mode, "100%: stop", "120%: block"))
		w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, true)
		w.says(w.apply(), want...)
		if w.api.Counts("StopQueryExecution").Requests > 0 {
			t.Errorf("%s: something was stopped", mode)
		}
		for _, m := range w.teller.messages {
			if m.Kind != notify.LimitWarn || !strings.Contains(strings.Join(m.Done, ""), "mode warn") {
				t.Errorf("%s: told %+v", mode, m)
			}
		}
	}
}

// TestOldLakesAndClocks: nobody is stopped because of a lake that is behind, or
// of a clock that is wrong, and nothing is lifted.
func TestOldLakesAndClocks(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: stop", "120%: block")).withIAM("Analyst")
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, time.Hour, 110e9, true)
	f := func(name, why string) {
		t.Helper()
		r := w.apply()
		for _, a := range r.Done {
			if a.Action != athenatrail.ActNotify {
				t.Errorf("%s: %s of %s %s", name, a.Action, a.Target, a.Outcome)
			}
		}
		if !strings.Contains(strings.Join(r.Told, "\n"), why) {
			t.Errorf("%s: told %q, want %q", name, r.Told, why)
		}
	}
	w.completeTo = w.now.Add(-7 * time.Hour)
	w.query("q0", rosa, 9*time.Hour, 110e9, false)
	f("a lake that is behind", "limit people-day only notifies: the lake is 7 hours behind")
	w.completeTo = w.now.Add(2 * time.Hour)
	f("a lake that is ahead", "ahead of this machine's clock by 2 hours")
	w.completeTo = time.Time{}
	w.clock = func() (string, time.Time, error) {
		return "arn:aws:iam::123456789012:user/limits", w.now.Add(3 * time.Hour), nil
	}
	f("a clock that is wrong", "this machine's clock is 3h0m0s from AWS's")
	w.clock = func() (string, time.Time, error) { return "", time.Time{}, errors.New("no route to host") }
	f("nobody to ask", "AWS cannot be asked who athenatrail is: no route to host")
	if w.api.Counts("StopQueryExecution").Requests > 0 {
		t.Fatal("something was stopped")
	}

	// With a clock that is right rosa is blocked; then it jumps to tomorrow.
	w.clock = func() (string, time.Time, error) { return "arn:aws:iam::123456789012:user/limits", w.now, nil }
	w.apply()
	if w.may(w.inline("Analyst"), "rosa", w.now) {
		t.Fatal("rosa is not blocked")
	}
	today, calls := w.now, w.api.Counts("StopQueryExecution").Requests
	w.clock = func() (string, time.Time, error) { return "arn:aws:iam::123456789012:user/limits", today, nil }
	for _, jump := range []time.Duration{26 * time.Hour, -26 * time.Hour, 90 * 24 * time.Hour} {
		w.now = today.Add(jump)
		w.completeTo = today
		w.apply()
		if w.may(w.inline("Analyst"), "rosa", today) {
			t.Errorf("a clock that jumped by %s lifted", jump)
		}
	}
	w.now, w.completeTo = today, time.Time{}
	w.says(w.apply())
	if n := w.api.Counts("StopQueryExecution").Requests; n != calls {
		t.Errorf("%d stops after the clock jumped, want %d", n, calls)
	}
}

// TestSpared: the protected, athenatrail itself and what many use as one are
// never stopped and never blocked, and the history says why, once.
func TestSpared(t *testing.T) {
	f := func(name, why string, who athenatrail.Who, change func(*world)) {
		t.Helper()
		w := newWorld(t, people("enforce", "100%: block"))
		w.query("q1", who, time.Hour, 200e9, true)
		if change != nil {
			change(w)
		}
		for range 2 {
			for _, a := range w.apply().Done {
				if a.Action != athenatrail.ActNotify && (a.Outcome != athenatrail.OutcomeSkipped || !strings.Contains(a.Message, why)) {
					t.Errorf("%s: %s %s %s", name, a.Action, a.Outcome, a.Message)
				}
			}
		}
		told := 0
		for _, a := range w.history() {
			if a.Outcome == athenatrail.OutcomeSkipped {
				told++
			}
		}
		if told == 0 || told > 2 || w.api.Counts("StopQueryExecution").Requests > 0 {
			t.Errorf("%s: %d facts say why, %d stops", name, told, w.api.Counts("StopQueryExecution").Requests)
		}
	}
	w := newWorld(t)
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	f("a person", "protected by ros*", rosa, func(w *world) { w.protect = []string{"ros*"} })
	f("a role", "protected by arn:aws:iam::*:role/teams/Analyst", rosa, func(w *world) { w.protect = []string{"arn:aws:iam::*:role/teams/Analyst"} })
	f("an own principal", "athenatrail itself", rosa, func(w *world) { w.own = []string{"arn:aws:sts::*:assumed-role/Analyst/*"} })
	f("the caller", "athenatrail itself", rosa, func(w *world) {
		w.clock = func() (string, time.Time, error) { return assumed("Analyst", "rosa"), w.now, nil }
	})
	etl := w.who("etl", assumed("etl", "botocore-session-1"))
	etl.PersonSource, etl.PersonKind = athenatrail.SourceRole, athenatrail.PersonService
	f("a service", "the limit does not say allow_shared", etl, nil)
}

// TestAllowShared blocks a service's role as a whole where the limit says so,
// and only the query of a person who came through a tool's role where not.
func TestAllowShared(t *testing.T) {
	d := people("enforce", "100%: block")
	d.AllowShared = true
	w := newWorld(t, d).withIAM("etl", "redash")
	etl := w.who("etl", assumed("etl", "botocore-session-1"))
	etl.PersonSource = athenatrail.SourceRole
	w.query("q1", etl, time.Hour, 200e9, true)
	w.says(w.apply(), "stop q1 done", "block arn:aws:iam::123456789012:role/etl done", "notify done")
	if policy := w.inline("etl"); w.may(policy, "botocore-session-2", w.now) || !w.may(policy, "botocore-session-2", w.now.AddDate(0, 0, 1)) {
		t.Errorf("the role is not denied as a whole: %s", policy)
	}

	w = newWorld(t, people("enforce", "100%: block"))
	bea := w.who("bea@example.com", assumed("redash", "i-0abc"))
	bea.PersonSource = athenatrail.SourceQueryComment
	w.query("q1", bea, time.Hour, 200e9, true)
	w.says(w.apply(), "stop q1 done", "block arn:aws:iam::123456789012:role/redash skipped bea@example.com came through", "notify done")
}

// TestFailsHalfway: a block that IAM refuses leaves a fact that says so, what
// was done before is not done again, and the next apply finishes it.
func TestFailsHalfway(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: stop", "120%: block"))
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, true)
	r := w.apply()
	w.says(r, "stop q1 done", "block arn:aws:iam::123456789012:role/Analyst session rosa failed there is no IAM here", "notify done", "notify done")
	if r.Failed() != 1 {
		t.Errorf("%d failed", r.Failed())
	}
	if m := w.teller.messages[1]; !strings.Contains(strings.Join(m.Done, " "), "Not done: block: there is no IAM here") {
		t.Errorf("told %q", m.Done)
	}
	w.withIAM("Analyst")
	w.now = w.now.Add(time.Minute)
	w.says(w.apply(), "block arn:aws:iam::123456789012:role/Analyst session rosa done")
	if n := w.api.Counts("StopQueryExecution").Requests; n != 1 || w.may(w.inline("Analyst"), "rosa", w.now) {
		t.Errorf("%d stops; or rosa is not blocked", n)
	}
	attempts := map[int32]string{}
	for _, a := range w.history() {
		if a.Action == athenatrail.ActBlock {
			attempts[a.Attempt] = a.Outcome
		}
	}
	if attempts[1] != athenatrail.OutcomeFailed || attempts[2] != athenatrail.OutcomeDone {
		t.Errorf("attempts: %v", attempts)
	}
}

// TestPauses between attempts grow, so that what fails for good does not fill
// the history.
func TestPausesBetweenAttempts(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: stop"))
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), 30*time.Minute, 200e9, true)
	w.deny = func(c athenaapitest.Call) bool { return c.Operation == "StopQueryExecution" }
	for range 180 {
		w.apply()
		w.now = w.now.Add(time.Minute)
	}
	if n := w.api.Counts("StopQueryExecution").Requests; n < 6 || n > 12 {
		t.Errorf("%d attempts in three hours", n)
	}
}

// TestKilled: what a run began and did not end is finished by another, once the
// first has been silent for so long that it must be dead.
func TestKilled(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: stop"))
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, true)
	ctx, kill := context.WithCancel(t.Context())
	o := w.options()
	o.Config, o.Teller = nil, nil
	r := &run{Options: o, calls: newCaller(nil), behind: map[string]map[limit.Subject]*found{}, events: map[place]bool{}}
	s, err := standing.Load(ctx, w.lake)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.look(ctx, s); err != nil {
		t.Fatal(err)
	}
	// All that a run does before its first call.
	p := r.plan(s)
	if _, err := standing.Update(ctx, w.lake, func(s *standing.State) error {
		s.Lease = &standing.Lease{RunID: "killed", Until: w.now.Add(standing.LeaseLength)}
		for _, x := range p.steps {
			s.Acts[x.id] = x.begun(s.Acts[x.id], w.now)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	kill()
	w.says(w.apply()) // what was begun may still be under way
	w.query("q2", w.who("rosa", assumed("Analyst", "rosa")), time.Minute, 1e9, true)
	if r := w.apply(); r.Busy != "killed" || len(r.Done) > 0 {
		t.Errorf("while the other may live: busy %q, done %v", r.Busy, r.Done)
	}
	w.now = w.now.Add(standing.LeaseLength + time.Second)
	w.says(w.apply(), "stop q1 done", "stop q2 done", "notify done")
	w.says(w.apply())
}

// TestAtOnce: of many processes that apply at once, each thing is done by one.
func TestAtOnce(t *testing.T) {
	w := newWorld(t, people("enforce", "50%: notify", "100%: stop", "120%: block")).withIAM("Analyst")
	for _, name := range []string{"rosa", "paul"} {
		w.query("q-"+name, w.who(name, assumed("Analyst", name)), time.Hour, 200e9, true)
	}
	var all sync.WaitGroup
	for range 6 {
		o := w.options()
		all.Go(func() {
			if _, err := Apply(t.Context(), o); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.says(w.apply())
	if n := w.api.Counts("StopQueryExecution").Requests; n != 2 {
		t.Errorf("%d stops, want 2", n)
	}
	for key, n := range w.teller.told {
		if n != 1 {
			t.Errorf("%s was told %d times", key, n)
		}
	}
	if len(w.teller.told) != 6 {
		t.Errorf("%d messages, want 6", len(w.teller.told))
	}
	policy := w.inline("Analyst")
	if w.may(policy, "rosa", w.now) || w.may(policy, "paul", w.now) || !w.may(policy, "ines", w.now) {
		t.Errorf("not both are blocked, or more: %s", policy)
	}
	if strings.Count(policy, sidPrefix) != 2 {
		t.Errorf("%d statements", strings.Count(policy, sidPrefix))
	}
}

// TestPauseAndResume: a pause lifts what stands and lets nothing new happen;
// resumed, it is as before, and nobody is told again.
func TestPauseAndResume(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM("Analyst")
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, time.Hour, 200e9, false)
	w.says(w.apply(), "block", "notify done")
	pause := func(list ...*standing.Pause) {
		if _, err := standing.Update(t.Context(), w.lake, func(s *standing.State) error { s.Pauses = list; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	pause(&standing.Pause{Limit: "people-day", Since: w.now, Until: w.now.Add(time.Hour), Reason: "closing"})
	w.query("q2", rosa, time.Minute, 1e9, true)
	r := w.apply()
	w.says(r, "lift arn:aws:iam::123456789012:role/Analyst session rosa done the limit is paused")
	if len(r.Told) != 1 || !strings.Contains(r.Told[0], "closing") || !w.may(w.inline("Analyst"), "rosa", w.now) {
		t.Errorf("told %q", r.Told)
	}
	w.says(w.apply())
	w.now = w.now.Add(time.Hour)
	w.says(w.apply(), "stop q2 done", "block")
	if w.may(w.inline("Analyst"), "rosa", w.now) {
		t.Error("after the pause rosa is not blocked")
	}
}

// TestTwiceWithinASecond: who is blocked and let go twice within a second is
// told twice, and the history has it twice.
func TestTwiceWithinASecond(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM("Analyst")
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, false)
	var lifts int
	for range 2 {
		for _, pauses := range [][]*standing.Pause{nil, {{Limit: "people-day", Since: w.now, Reason: "closing"}}} {
			if _, err := standing.Update(t.Context(), w.lake, func(s *standing.State) error { s.Pauses = pauses; return nil }); err != nil {
				t.Fatal(err)
			}
			w.apply()
			w.now = w.now.Add(200 * time.Millisecond)
		}
	}
	for _, a := range w.history() {
		if a.Action == athenatrail.ActLift && a.Outcome == athenatrail.OutcomeDone {
			lifts++
		}
	}
	told := map[notify.Kind]int{}
	for _, m := range w.teller.messages {
		told[m.Kind]++
	}
	if lifts != 2 || told[notify.LimitLift] != 2 || len(w.teller.told) != 3 {
		t.Errorf("%d lifts in the history, told %v by keys %v", lifts, told, w.teller.told)
	}
}

// TestLiftedByHand: what somebody lifts is not done again in its window, also
// where the person comes through another role; in the next window it is.
func TestLiftedByHand(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM("Analyst", "Other")
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, false)
	w.says(w.apply(), "block", "notify done")
	r, err := Lift(t.Context(), w.options(), "arn:aws:iam::123456789012:user/admin", func(a *standing.Act) bool { return a.Subject == "rosa" })
	if err != nil {
		t.Fatal(err)
	}
	w.says(r, "lift arn:aws:iam::123456789012:role/Analyst session rosa done lifted by hand")
	if a := r.Done[0]; a.LiftedBy != "arn:aws:iam::123456789012:user/admin" {
		t.Errorf("lifted by %q", a.LiftedBy)
	}
	w.query("q2", w.who("rosa", assumed("Other", "rosa")), time.Minute, 1e9, false)
	w.says(w.apply())
	w.now = w.now.AddDate(0, 0, 1)
	w.query("q3", w.who("rosa", assumed("Other", "rosa")), time.Minute, 200e9, false)
	w.says(w.apply(), "block arn:aws:iam::123456789012:role/Other session rosa done", "notify done")
}

// TestEndsByItself: when the window is over the statement is taken away, though
// it denies nothing any more, and the next window begins anew.
func TestEndsByItself(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block")).withIAM("Analyst")
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, false)
	w.says(w.apply(), "block", "notify done")
	w.now = noon.Truncate(24*time.Hour).AddDate(0, 0, 1).Add(5 * time.Minute)
	w.says(w.apply(), "lift arn:aws:iam::123456789012:role/Analyst session rosa done its time is over")
	if policy := w.inline("Analyst"); strings.Contains(policy, sidPrefix) {
		t.Errorf("the policy is left: %s", policy)
	}
}

// TestMovingWindow: somebody who is over a window that moves is blocked for a
// part of it at a time, made longer while they are over, and lifted when they
// are not; and is told again only when use had fallen well below.
func TestMovingWindow(t *testing.T) {
	d := people("enforce", "100%: block")
	d.Window = "24h"
	w := newWorld(t, d).withIAM("Analyst")
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, 20*time.Hour, 110e9, false)
	w.says(w.apply(), "block", "notify done")
	policy := w.inline("Analyst")
	if w.may(policy, "rosa", noon.Add(5*time.Hour)) || !w.may(policy, "rosa", noon.Add(7*time.Hour)) {
		t.Errorf("not blocked for six hours: %s", policy)
	}
	w.now = w.now.Add(time.Hour)
	w.says(w.apply())
	w.now = noon.Add(3*time.Hour + 30*time.Minute)
	w.says(w.apply(), "block")
	if policy := w.inline("Analyst"); w.may(policy, "rosa", noon.Add(9*time.Hour)) {
		t.Errorf("not made longer: %s", policy)
	}
	w.now = noon.Add(5 * time.Hour) // q1 has left the window
	w.says(w.apply(), "lift arn:aws:iam::123456789012:role/Analyst session rosa done no longer over")
	w.query("q2", rosa, time.Minute, 120e9, false)
	w.says(w.apply(), "block", "notify done")
	if n := len(w.teller.told); n != 3 {
		t.Errorf("%d messages, want two and one of the lift", n)
	}
}

// TestOverlappingLimits: both count, and what one lifts the other keeps.
func TestOverlappingLimits(t *testing.T) {
	tight := people("enforce", "100%: block")
	tight.Name, tight.Amount, tight.Window = "people-hour", "50 GB", "hour"
	w := newWorld(t, people("enforce", "100%: block"), tight).withIAM("Analyst")
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.query("q1", rosa, 0, 60e9, false)
	w.now = w.now.Add(10 * time.Minute)
	r := w.apply()
	w.says(r, "block", "notify done")
	if r.Done[0].LimitName != "people-hour" {
		t.Errorf("%s acts first", r.Done[0].LimitName)
	}
	w.query("q2", rosa, 0, 60e9, false)
	w.now = w.now.Add(10 * time.Minute)
	w.says(w.apply(), "block", "notify done")
	w.now = noon.Add(70 * time.Minute)
	w.says(w.apply(), "lift")
	if policy := w.inline("Analyst"); w.may(policy, "rosa", w.now) || strings.Count(policy, sidPrefix) != 1 {
		t.Errorf("the day's limit does not hold: %s", policy)
	}
}

// TestSparkSessions ends the sessions of who is over a limit of DPU time, and
// leaves queries alone, which such a limit does not count.
func TestSparkSessions(t *testing.T) {
	d := people("enforce", "100%: stop")
	d.Measure, d.Amount = "dpu_time", "1 h"
	w := newWorld(t, d)
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	w.session("s1", rosa, time.Hour, 2*3_600_000)
	w.query("q1", rosa, time.Hour, 200e9, true)
	w.says(w.apply(), "stop s1 done", "notify done")
	if w.api.Counts("TerminateSession").IDs != 1 || w.api.Counts("StopQueryExecution").Requests != 0 {
		t.Errorf("%+v, %+v", w.api.Counts("TerminateSession"), w.api.Counts("StopQueryExecution"))
	}
}

// TestEstimatesDoNotAct: what is only guessed is told of, and stops nobody.
func TestEstimatesDoNotAct(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: stop"))
	rosa := w.who("rosa", assumed("Analyst", "rosa"))
	past := w.query("q0", rosa, 26*time.Hour, 200e9, false)
	past.QueryFingerprint = "f"
	now := w.query("q1", rosa, time.Minute, 0, true)
	now.QueryFingerprint = "f"
	w.says(w.apply(), "notify done")
	if len(w.teller.messages) != 1 || !strings.Contains(strings.Join(w.teller.messages[0].Done, " "), "estimate") {
		t.Errorf("told %+v", w.teller.messages)
	}
}

// TestDryRun says what would be done, and calls and writes nothing.
func TestDryRun(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: stop", "120%: block"))
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 200e9, true)
	o := w.options()
	o.DryRun = true
	before := w.files()
	r, err := Apply(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	w.says(r, "stop q1", "block arn:aws:iam::123456789012:role/Analyst session rosa", "notify", "notify")
	if after := w.files(); after != before || len(w.teller.told) > 0 || w.api.Counts("StopQueryExecution").Requests > 0 {
		t.Error("a dry run did something")
	}
}

// TestNobodyIsTold where there is no channel, which the history says once.
func TestNobodyIsTold(t *testing.T) {
	w := newWorld(t, people("warn", "50%: notify"))
	w.teller.nobody = true
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 60e9, false)
	w.says(w.apply(), "notify skipped no channel is for it")
	w.now = w.now.Add(2 * time.Hour)
	w.says(w.apply())

	w = newWorld(t, people("warn", "50%: notify"))
	w.teller.fail = errors.New("the lake is full")
	w.query("q1", w.who("rosa", assumed("Analyst", "rosa")), time.Hour, 60e9, false)
	w.says(w.apply(), "notify failed the lake is full")
	w.teller.fail = nil
	w.says(w.apply(), "notify done")
}

// TestHostileNames: what a trail says of principals and work groups gets into no
// call that AWS would not take, and a session's name into a policy as itself.
func TestHostileNames(t *testing.T) {
	w := newWorld(t, people("enforce", "100%: block"), groupLimit("group", "100%: block")).withIAM("Analyst")
	w.query("q1", w.who("star", assumed("Analyst", "*")), time.Hour, 200e9, false)
	for i, arn := range []string{
		"arn:aws:sts::" + account + ":assumed-role/../x/rosa", "arn:aws:sts::1:assumed-role/Analyst/rosa", "arn:evil\n:sts::" + account + ":assumed-role/Analyst/rosa",
		"arn:aws:iam::" + account + ":user/a b", "arn:aws:iam::" + account + ":root", "arn:aws:sts::" + account + ":federated-user/rosa", "nonsense",
	} {
		who := w.who(fmt.Sprint("person", i), assumed("Analyst", "x"))
		who.PrincipalARN = arn
		w.query(fmt.Sprint("h", i), who, time.Hour, 200e9, false)
	}
	w.query("g1", w.who("ines", assumed("Analyst", "ines")), time.Hour, 120e9, false).WorkGroupName = "../*"
	w.groups = []athenaapitest.WorkGroup{{Name: "analysts"}}
	blocked := 0
	for _, a := range w.apply().Done {
		if a.Action == athenatrail.ActBlock && a.Outcome == athenatrail.OutcomeDone {
			blocked++
		}
		if a.Outcome == athenatrail.OutcomeFailed {
			t.Errorf("%s of %s was tried: %s", a.Action, a.Target, a.Message)
		}
	}
	if policy := w.inline("Analyst"); blocked != 2 || w.may(policy, "*", w.now) || w.may(policy, "ines", w.now) || !w.may(policy, "rosa", w.now) {
		t.Errorf("%d are blocked: %s", blocked, policy)
	}
	for p := range lake.Verify(t.Context(), w.lake, "facts/limit_actions") {
		t.Errorf("verify: %s", p)
	}
}
