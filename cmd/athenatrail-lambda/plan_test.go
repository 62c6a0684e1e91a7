package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"github.com/athenatrail/athenatrail/internal/collect"
)

const atOne = "2026-11-21T06:00:30Z" // 01:00:30 in New York

// TestScheduledRunDoesYesterday is the tracker's first defect: its scheduler
// sent {}, which its handler refused.
func TestScheduledRunDoesYesterday(t *testing.T) {
	p, _ := newProgram(t, atOne, nil)
	var got planned
	if err := p.call(t, plan, `{}`, &got); err != nil {
		t.Fatal(err)
	}
	// Yesterday's 24 hours of New York, and the one that has passed since, in
	// which the last of its events were delivered.
	if got.Count != 25 || len(got.Units) != 25 || got.Distributed {
		t.Errorf("%d units, distributed %v", got.Count, got.Distributed)
	}
	if from, to := spansText([]span{{got.Units[0].From, got.Units[24].To}}), spansText(got.Finish.Collected); from != "1120T05:00-1121T05:50" || to != from {
		t.Errorf("units %s, to finish %s", from, to)
	}
	if hours := spansText(got.Export.Spans); hours != "1120T05:00-1121T05:00" {
		t.Errorf("files of %s", hours)
	}
}

// TestThreeDaysAreSeventyTwoHours is a defect of the tracker: it never looped
// over TEST_START_DATE to TEST_END_DATE.
func TestThreeDaysAreSeventyTwoHours(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	var got planned
	if err := p.call(t, plan, `{"start_date":"2026-11-10","end_date":"2026/11/12"}`, &got); err != nil {
		t.Fatal(err)
	}
	if hours := spansText(got.Export.Spans); hours != "1110T05:00-1113T05:00" {
		t.Errorf("files of %s", hours)
	}
	// The look-back after them, in which events are delivered late, is read as
	// `collect --to` does.
	if got.Count != 72+48 {
		t.Errorf("%d units", got.Count)
	}
	var done exported
	if err := p.call(t, exportHours, mustJSON(t, got.Export), &done); err != nil || !done.Done {
		t.Fatal(done, err)
	}
	if want := "1110T05:00-1111T05:00,1111T05:00-1112T05:00,1112T05:00-1113T05:00"; strings.Join(f.exported, ",") != want {
		t.Errorf("exported %v", f.exported)
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestHourEdgesAreHalfOpen is a defect of the tracker, whose hours had both
// edges in two hours. Units cover their time without a gap, each moment once.
func TestHourEdgesAreHalfOpen(t *testing.T) {
	p, _ := newProgram(t, atOne, nil)
	for _, input := range []string{`{}`, `{"day":"2026-11-01"}`, `{"from":"2026-03-07","to":"2026-03-10"}`} {
		var got planned
		if err := p.call(t, plan, input, &got); err != nil {
			t.Fatal(err)
		}
		for i, u := range got.Units {
			if !u.From.Before(u.To) || u.To.Sub(u.From) > time.Hour || i > 0 && !got.Units[i-1].To.Equal(u.From) {
				t.Errorf("%s: unit %d is %s", input, i, u)
			}
		}
	}
}

func TestOneHour(t *testing.T) {
	p, _ := newProgram(t, atOne, nil)
	var got planned
	if err := p.call(t, plan, `{"report_date":"2026/11/18","hour":"7"}`, &got); err != nil {
		t.Fatal(err)
	}
	if hours := spansText(got.Export.Spans); got.Count != 2 || hours != "1118T12:00-1118T13:00" {
		t.Errorf("%d units, files of %s", got.Count, hours)
	}
}

// TestScheduledRunCatchesUp lets the daily run be missed for five days.
func TestScheduledRunCatchesUp(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	f.newest = at(t, "2026-11-15T06:00:00Z")
	var got planned
	if err := p.call(t, plan, `{}`, &got); err != nil {
		t.Fatal(err)
	}
	if s := spansText(got.Finish.Collected); s != "1113T06:00-1121T05:50" {
		t.Errorf("collects %s, want what was missed and the look-back before", s)
	}
	if s := spansText(got.Export.Spans); s != "1113T05:00-1121T05:00" {
		t.Errorf("files of %s", s)
	}
	f.newest = at(t, "2021-11-15T06:00:00Z")
	if err := p.call(t, plan, `{}`, &got); err != nil {
		t.Fatal(err)
	}
	if !got.Distributed || got.Count != 45*24+25 || len(f.stored) != got.Count || got.UnitsIn.Bucket != "b" {
		t.Errorf("after years: %d units, distributed %v", got.Count, got.Distributed)
	}
}

func TestBackfillIsDistributed(t *testing.T) {
	p, f := newProgram(t, atOne, map[string]string{"MAX_CONCURRENCY": "200"})
	var got planned
	if err := p.call(t, plan, `{"from":"2025-01-01","to":"2025-03-01"}`, &got); err != nil {
		t.Fatal(err)
	}
	if !got.Distributed || got.Units != nil || got.Count != (59+2)*24 || len(f.stored) != got.Count || got.Concurrency != 200 {
		t.Errorf("%+v", got)
	}
	// What a state hands on is bounded (Step Functions Developer Guide, quotas).
	if n := len(mustJSON(t, got)); n > 10_000 {
		t.Errorf("the plan has %d bytes", n)
	}
	if err := p.call(t, plan, fmt.Sprintf(`{"from":"2026-10-20T00:00:00Z","to":%q}`, "2026-11-03T16:00:00Z"), &got); err != nil {
		t.Fatal(err)
	}
	if n := len(mustJSON(t, got)); got.Distributed || n > 200_000 {
		t.Errorf("%d units within an execution take %d bytes, distributed %v", got.Count, n, got.Distributed)
	}
}

func TestUnitsByAccount(t *testing.T) {
	p, f := newProgram(t, atOne, map[string]string{"SHARD_BY": "account"})
	f.all = []shard{{Account: "111122223333"}, {Account: "444455556666"}}
	var got planned
	if err := p.call(t, plan, `{"day":"2026-11-18"}`, &got); err != nil {
		t.Fatal(err)
	}
	if got.Count != 2*3 || got.Units[1].Account != "444455556666" || got.Units[0].To.Sub(got.Units[0].From) != 24*time.Hour {
		t.Errorf("%+v", got.Units)
	}
}

// TestLookupEventsIsAUnitOfEachPlace: an API's rate is for the account and
// region, and units of the same side by side would only share it.
func TestLookupEventsIsAUnitOfEachPlace(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	f.feeds, f.all = true, []shard{{"111122223333", "us-east-1"}, {"111122223333", "eu-west-1"}, {"444455556666", "us-east-1"}}
	var got planned
	if err := p.call(t, plan, `{"from":"2026-11-01","to":"2026-11-15"}`, &got); err != nil || got.Count != 3 {
		t.Errorf("%d units, %v", got.Count, err)
	}
	for i, u := range got.Units {
		if u.Account != f.all[i].Account || u.Region != f.all[i].Region || u.To.Sub(u.From) != 14*24*time.Hour+time.Hour {
			t.Errorf("unit %d is %s", i, u)
		}
	}
	// By the time of events: nothing of the days after is asked for.
	if err := p.call(t, plan, `{"day":"2026-11-15"}`, &got); err != nil || spansText(got.Finish.Collected) != "1115T05:00-1116T05:00" {
		t.Errorf("asks for %s, %v", spansText(got.Finish.Collected), err)
	}
	err := p.call(t, finish, mustJSON(t, got.Finish), &finishedDone{})
	if err == nil || !strings.Contains(err.Error(), "could be asked for") {
		t.Error(err)
	}
	f.complete = at(t, "2026-11-16T04:45:00Z")
	if err := p.call(t, finish, mustJSON(t, got.Finish), &finishedDone{}); err != nil {
		t.Error(err)
	}
}

func TestUnitIsHandedOn(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	left := int64(100)
	f.run = func(unit) (*collect.Summary, error) {
		if left -= 40; left > 0 {
			return &collect.Summary{Stopped: true, Read: 40, Left: left}, nil
		}
		return &collect.Summary{Read: 20}, nil
	}
	input := `{"from":"2026-11-20T07:00:00Z","to":"2026-11-20T08:00:00Z","account":"111122223333"}`
	for round := 1; ; round++ {
		var got unitDone
		if err := p.call(t, collectUnit, input, &got); err != nil {
			t.Fatal(err)
		}
		if got.Done {
			if round != 3 {
				t.Errorf("done in round %d", round)
			}
			return
		}
		if got.Unit.Round != round || got.Unit.Account != "111122223333" || got.Unit.Left != left {
			t.Fatalf("%+v", got.Unit)
		}
		input = mustJSON(t, got.Unit)
	}
}

func TestUnitThatGetsNowhere(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	f.run = func(unit) (*collect.Summary, error) { return &collect.Summary{Stopped: true, Left: 1}, nil }
	var got unitDone
	err := p.call(t, collectUnit, `{"from":"2026-11-20T07:00:00Z","to":"2026-11-20T08:00:00Z","round":1,"left":1}`, &got)
	if err == nil || !strings.Contains(err.Error(), "more time or memory") {
		t.Error(err)
	}
}

func TestUnitThatCouldNotFetchFails(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	f.run = func(unit) (*collect.Summary, error) {
		return &collect.Summary{ToRead: 7, Read: 6, Unread: 1, Problems: []string{"read s3://trail-logs/x.json.gz: access denied"}}, nil
	}
	err := p.call(t, collectUnit, `{"from":"2026-11-20T07:00:00Z","to":"2026-11-20T08:00:00Z"}`, &unitDone{})
	if err == nil || !strings.Contains(err.Error(), "1 of 7 log files could not be fetched, the first: read s3://trail-logs/x.json.gz: access denied") {
		t.Error(err)
	}
	f.run = func(unit) (*collect.Summary, error) { return nil, errors.New("no such bucket") }
	if err := p.call(t, collectUnit, `{"from":"2026-11-20T07:00:00Z","to":"2026-11-20T08:00:00Z"}`, &unitDone{}); err == nil {
		t.Error("no error")
	}
}

func TestWrongUnits(t *testing.T) {
	p, _ := newProgram(t, atOne, nil)
	for _, input := range []string{`{}`, `{"from":"2026-11-20T08:00:00Z","to":"2026-11-20T07:00:00Z"}`, `{"from":"yesterday"}`, `[]`, `{"from":"2026-11-20T07:00:00Z","to":"2026-11-20T08:00:00Z","hour":7}`} {
		if err := p.call(t, collectUnit, input, &unitDone{}); err == nil || !strings.Contains(err.Error(), "want a unit of plan") {
			t.Errorf("%s: %v", input, err)
		}
	}
}

func TestDerivingIsHandedOn(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	f.more = 2
	input := `{}`
	for round := 1; round <= 3; round++ {
		var got deriving
		if err := p.call(t, derive, input, &got); err != nil || got.Done != (round == 3) || got.Round != round {
			t.Fatal(got, err)
		}
		input = mustJSON(t, got)
	}
}

// TestFinishFindsWhatWasLeftOut is what makes an execution fail of which a unit
// failed for good.
func TestFinishFindsWhatWasLeftOut(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	input := `{"collected":[{"from":"2026-11-20T05:00:00Z","to":"2026-11-21T06:00:00Z"}]}`
	var got finishedDone
	if err := p.call(t, finish, input, &got); err != nil || !got.Complete || got.Listed != 3 {
		t.Fatal(got, err)
	}
	if want := at(t, "2026-11-21T06:00:00Z"); !f.noted.Equal(want) {
		t.Errorf("noted %s", f.noted)
	}
	f.noted = time.Time{}
	f.left = func(span) *collect.Summary { return &collect.Summary{Listed: 9, ToRead: 2} }
	if err := p.call(t, finish, input, &got); err == nil || !strings.Contains(err.Error(), "2 of 9 log files") || !f.noted.IsZero() {
		t.Error(err, f.noted)
	}
	f.left = func(span) *collect.Summary {
		return &collect.Summary{Problems: []string{"list s3://trail-logs/: access denied"}}
	}
	if err := p.call(t, finish, input, &got); err == nil || !strings.Contains(err.Error(), "access denied") {
		t.Error(err)
	}
}

func TestDeadline(t *testing.T) {
	p, f := newProgram(t, "2026-11-21T11:00:30Z", nil)
	var got map[string]string
	if err := p.call(t, deadline, `{}`, &got); err == nil || !strings.Contains(err.Error(), "has nothing yet") {
		t.Error(err)
	}
	f.complete = at(t, "2026-11-21T04:45:00Z")
	if err := p.call(t, deadline, `{}`, &got); err == nil || !strings.Contains(err.Error(), "complete to 2026-11-21T04:45:00Z, and should be to 2026-11-21T05:00:00Z") {
		t.Error(err)
	}
	f.complete = at(t, "2026-11-21T05:45:00Z")
	if err := p.call(t, deadline, `{}`, &got); err != nil || got["complete_to"] != "2026-11-21T05:45:00Z" {
		t.Error(got, err)
	}
	f.left = func(span) *collect.Summary { return &collect.Summary{ToRead: 3} }
	if err := p.call(t, deadline, `{}`, &got); err == nil || !strings.Contains(err.Error(), "3 log files") {
		t.Error(err)
	}
}

func TestReportDoesAnHourInOneFunction(t *testing.T) {
	p, f := newProgram(t, atOne, nil)
	var got reported
	if err := p.call(t, report, `{"report_date":"2026/11/18","hour":7}`, &got); err != nil {
		t.Fatal(err)
	}
	if strings.Join(f.collected, ",") != "2026-11-18T12:00:00Z to 2026-11-18T14:00:00Z" || strings.Join(f.exported, ",") != "1118T12:00-1118T13:00" || got.Read != 2 {
		t.Errorf("collected %v, exported %v, %+v", f.collected, f.exported, got)
	}
	if err := p.call(t, report, `{"from":"2026-11-10","to":"2026-11-18"}`, &got); err == nil {
		t.Error("a range of days")
	}
	f.more = 1
	if err := p.call(t, report, `{}`, &got); !errors.Is(err, errTooMuch) {
		t.Error(err)
	}
}

func TestQueueNamesMessagesThatFailed(t *testing.T) {
	p, _ := newProgram(t, atOne, nil)
	var got events.SQSEventResponse
	input := `{"Records":[{"messageId":"a","body":"{}"},{"messageId":"b","body":"poison","attributes":{"ApproximateReceiveCount":"3"}},{"messageId":"c","body":"{}"}]}`
	if err := p.call(t, queue, input, &got); err != nil {
		t.Fatal(err)
	}
	if len(got.BatchItemFailures) != 1 || got.BatchItemFailures[0].ItemIdentifier != "b" {
		t.Errorf("%+v", got)
	}
	if err := p.call(t, queue, `{}`, &got); err == nil || !strings.Contains(err.Error(), "want an event of SQS") {
		t.Error(err)
	}
}
