package derive

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/price"
)

const (
	s1 = "aaaaaaaa-0000-4000-8000-0000000000a1"
	s2 = "bbbbbbbb-0000-4000-8000-0000000000b2"
	c1 = "cccccccc-0000-4000-8000-0000000000c1"
	c2 = "cccccccc-0000-4000-8000-0000000000c2"
	c3 = "cccccccc-0000-4000-8000-0000000000c3"
)

// executor is who the code of a session is.
func executor(session string) object {
	return object{"type": "AssumedRole", "accountId": account, "accessKeyId": "ASIAEXECUTOR" + session[:4], "principalId": "AROAEXAMPLESPARK0001:AthenaExecutor-" + session,
		"arn":            "arn:aws:sts::" + account + ":assumed-role/spark/AthenaExecutor-" + session,
		"sessionContext": object{"sessionIssuer": object{"type": "Role", "userName": "spark", "arn": "arn:aws:iam::" + account + ":role/spark"}}}
}

// sessionEvent returns an event of a session's life by the IAM user rosa.
func sessionEvent(name, eventID, session string, when time.Time, members object) *athenatrail.SessionEvent {
	e := event(name, eventID, "", when, members)
	on := athenatrail.NewPartition(when, account, region)
	return &athenatrail.SessionEvent{Home: on, ID: eventID, SessionID: session, Time: when, Name: name, Record: e.Record}
}

func sessionStart(eventID, session string, when time.Time, members object) *athenatrail.SessionEvent {
	all := object{"requestParameters": object{"workGroup": "spark", "engineConfiguration": object{"maxConcurrentDpus": 20, "additionalConfigs": object{"NotebookId": "n1"}}},
		"responseElements": object{"sessionId": session, "state": "CREATED"}}
	for k, v := range members {
		all[k] = v
	}
	return sessionEvent(startSession, eventID, session, when, all)
}

func sessionEnd(eventID, session string, when time.Time) *athenatrail.SessionEvent {
	return sessionEvent(endSession, eventID, session, when, object{"requestParameters": object{"sessionId": session}, "responseElements": object{"state": "TERMINATING"}})
}

// cell returns the start of a calculation by the code of its session.
func cell(eventID, calculation, session string, when time.Time) *athenatrail.SessionEvent {
	return sessionEvent(startCalculation, eventID, session, when, object{"userIdentity": executor(session),
		"requestParameters": object{"sessionId": session, "codeBlock": hidden, "description": hidden}, "responseElements": object{"calculationExecutionId": calculation}})
}

func stopOf(eventID, calculation string, when time.Time) *athenatrail.SessionEvent {
	return sessionEvent(stopCalculation, eventID, "", when, object{"requestParameters": object{"calculationExecutionId": calculation}})
}

// sessionAnswerOf is GetSession's answer; dpu under 0 is unknown.
func sessionAnswerOf(session, state string, began time.Time, dpu int64) *athenatrail.Detail {
	statistics := ""
	if dpu >= 0 {
		statistics = fmt.Sprintf(`"Statistics":{"DpuExecutionInMillis":%d},`, dpu)
	}
	return &athenatrail.Detail{Home: athenatrail.NewPartition(began, account, region), Kind: athenatrail.KindSession, ID: session,
		Outcome: athenatrail.OutcomeAnswered, State: state, Final: state == "TERMINATED" || state == "FAILED", SubmittedAt: began,
		Answer: fmt.Sprintf(`{"SessionId":%q,%s"Status":{"StartDateTime":%.3f,"State":%q},"WorkGroup":"spark"}`, session, statistics, float64(began.UnixMilli())/1000, state)}
}

func cellAnswerOf(calculation, session string, submitted time.Time, dpu int64) *athenatrail.Detail {
	statistics := ""
	if dpu >= 0 {
		statistics = fmt.Sprintf(`"Statistics":{"DpuExecutionInMillis":%d},`, dpu)
	}
	return &athenatrail.Detail{Home: athenatrail.NewPartition(submitted, account, region), Kind: athenatrail.KindCalculation, ID: calculation,
		Outcome: athenatrail.OutcomeAnswered, State: "COMPLETED", Final: true, SubmittedAt: submitted,
		Answer: fmt.Sprintf(`{"CalculationExecutionId":%q,"SessionId":%q,%s"Status":{"State":"COMPLETED","SubmissionDateTime":%.3f}}`, calculation, session, statistics, float64(submitted.UnixMilli())/1000)}
}

func unanswered(kind, id, outcome string, on athenatrail.Date) *athenatrail.Detail {
	return &athenatrail.Detail{Home: home.On(on), Kind: kind, ID: id, Outcome: outcome}
}

// spark gives facts to a new day at on and returns its rows.
func sparkRows(t testing.TB, on athenatrail.Date, facts ...any) ([]athenatrail.Session, []athenatrail.Calculation, []athenatrail.UsageRollup) {
	t.Helper()
	d := feedDay(t, NewDay(home.On(on), newSettings(t, price.Settings{Prices: []price.Override{{Region: region, SparkPerDPUHour: "0.36"}}})), facts...)
	sessions, calculations := d.Spark()
	_, usage := d.Tables()
	return sessions, calculations, usage.Rollup
}

const hour = 3_600_000 // milliseconds of DPU time that cost 0.36

// One session with two cells: what each costs, and what nobody used.
func TestSessionAndItsCells(t *testing.T) {
	facts := []any{
		sessionStart("e1", s1, at("10:00:00"), nil), cell("e2", c1, s1, at("10:01:00")), cell("e3", c2, s1, at("10:05:00")),
		sessionEnd("e4", s1, at("11:00:00")), stopOf("e5", c2, at("10:06:00")),
		sessionAnswerOf(s1, "TERMINATED", at("10:00:00"), hour), cellAnswerOf(c1, s1, at("10:01:00"), hour/4), cellAnswerOf(c2, s1, at("10:05:00"), hour/4),
	}
	sessions, cells, usage := sparkRows(t, today, facts...)
	if len(sessions) != 1 || len(cells) != 2 || len(usage) != 1 {
		t.Fatalf("%d sessions, %d cells, %d sums", len(sessions), len(cells), len(usage))
	}
	s := sessions[0]
	if s.Gap != "" || s.Person != "rosa" || s.EndedBy != "rosa" || s.EndedEventID != "e4" || s.State != "TERMINATED" || s.NotebookID != "n1" || s.WorkGroupName != "spark" ||
		s.Calculations != 2 || s.MaxConcurrentDPU == nil || *s.MaxConcurrentDPU != 20 || s.CostBasis != athenatrail.BasisCustom {
		t.Errorf("%+v", s)
	}
	if got := fmt.Sprint(*s.DPUMillis, *s.Cost, *s.IdleDPUMillis, *s.IdleCost); got != "3600000 0.360000000 1800000 0.180000000" {
		t.Error(got)
	}
	for i, c := range cells {
		if c.Gap != "" || c.Person != "rosa" || c.PersonSource != athenatrail.SourceNotebookSession || c.SessionID != s1 || c.NotebookID != "n1" || c.Description != "" || fmt.Sprint(*c.CostShare) != "0.090000000" {
			t.Errorf("cell %d: %+v", i, c)
		}
	}
	if cells[0].StoppedBy != "" || cells[1].StoppedBy != "rosa" {
		t.Errorf("stopped by %q and %q", cells[0].StoppedBy, cells[1].StoppedBy)
	}
	if u := usage[0]; u.Kind != athenatrail.UsageSpark || u.Executions != 1 || u.Known != 1 || u.DPUMillis != hour || fmt.Sprint(u.Cost) != "0.360000000" || !u.Slot.Equal(at("10:00:00")) {
		t.Errorf("%+v", u)
	}
}

func TestIdleIsSaidOnlyWhereItIsKnown(t *testing.T) {
	f := func(name string, wantIdle string, facts ...any) {
		t.Helper()
		sessions, _, _ := sparkRows(t, today, facts...)
		got := "unknown"
		if s := sessions[0]; s.IdleDPUMillis != nil {
			got = fmt.Sprint(*s.IdleDPUMillis)
		}
		if got != wantIdle {
			t.Errorf("%s: idle %s, want %s", name, got, wantIdle)
		}
	}
	start, end := sessionStart("e1", s1, at("10:00:00"), nil), sessionAnswerOf(s1, "TERMINATED", at("10:00:00"), hour)
	connect := sessionStart("e1", s1, at("10:00:00"), object{"requestParameters": object{"workGroup": "spark"}})
	one := cell("e2", c1, s1, at("10:01:00"))
	f("a notebook that ran nothing", "3600000", start, end)
	f("Spark 3.5 has no calculations", "unknown", connect, end)
	f("a calculation whose DPU time is not known yet", "unknown", start, end, one)
	f("nor does Athena say it", "unknown", start, end, one, cellAnswerOf(c1, s1, at("10:01:00"), -1))
	f("Athena forgot it", "unknown", start, end, one, unanswered(athenatrail.KindCalculation, c1, athenatrail.OutcomeNotFound, today))
	f("known", "3599000", start, end, one, cellAnswerOf(c1, s1, at("10:01:00"), 1000))
	f("a calculation that only Athena tells of", "3599000", start, end, cellAnswerOf(c1, s1, at("10:01:00"), 1000))
	f("more than the session's", "0", start, end, one, cellAnswerOf(c1, s1, at("10:01:00"), 2*hour))
	f("seven days later", "3599000", start, end, cell("e2", c1, s1, at("10:01:00").AddDate(0, 0, 7)), cellAnswerOf(c1, s1, at("10:01:00").AddDate(0, 0, 7), 1000))
	f("the session's DPU time is not known", "unknown", start, sessionAnswerOf(s1, "TERMINATED", at("10:00:00"), -1))
	f("a call that failed is no calculation", "3600000", start, end, sessionEvent(startCalculation, "e2", s1, at("10:01:00"), object{"requestParameters": object{"sessionId": s1}, "errorCode": "InvalidRequestException"}))
}

// What stands in rows where a half is missing.
func TestSparkGaps(t *testing.T) {
	pending := sessionAnswerOf(s1, "BUSY", at("10:00:00"), 5000)
	f := func(name, want string, facts ...any) {
		t.Helper()
		sessions, cells, _ := sparkRows(t, today, facts...)
		var got []string
		for _, s := range sessions {
			got = append(got, strings.TrimSpace("session "+s.Gap+" "+s.Person+" "+s.State))
		}
		for _, c := range cells {
			got = append(got, strings.TrimSpace("cell "+c.Gap+" "+c.Person+" "+c.State))
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%s: got %q, want %q", name, strings.Join(got, "; "), want)
		}
	}
	start, one := sessionStart("e1", s1, at("10:00:00"), nil), cell("e2", c1, s1, at("10:01:00"))
	f("not asked", "session no_detail rosa", start)
	f("running", "session pending rosa BUSY", start, pending)
	f("running, and told to end since", "session pending rosa TERMINATING", start, pending, sessionEnd("e3", s1, at("11:00:00")))
	f("ended", "session  rosa TERMINATED", start, pending, sessionAnswerOf(s1, "TERMINATED", at("10:00:00"), 6000))
	f("denied at first", "session  rosa TERMINATED", start, unanswered(athenatrail.KindSession, s1, athenatrail.OutcomeDenied, today-1), sessionAnswerOf(s1, "TERMINATED", at("10:00:00"), 6000))
	f("forgotten", "session expired rosa", start, unanswered(athenatrail.KindSession, s1, athenatrail.OutcomeNotFound, today))
	f("denied", "session no_access rosa", start, unanswered(athenatrail.KindSession, s1, athenatrail.OutcomeDenied, today))
	f("never started", "session not_started rosa", sessionStart("e1", "", at("10:00:00"), object{"responseElements": nil, "errorCode": "TooManyRequestsException"}))
	f("a cell of a session that nobody knows", "cell no_detail spark", one)
	f("and that Athena does not know either", "cell expired spark", one, unanswered(athenatrail.KindCalculation, c1, athenatrail.OutcomeNotFound, today), unanswered(athenatrail.KindSession, s1, athenatrail.OutcomeNotFound, today))
	f("a session before the trail", "session no_event unknown TERMINATED", sessionAnswerOf(s1, "TERMINATED", at("09:00:00"), 6000))
	f("that still runs", "session pending unknown BUSY", sessionAnswerOf(s1, "BUSY", at("09:00:00"), 6000))
	f("that somebody ended", "session no_event unknown TERMINATED", sessionAnswerOf(s1, "TERMINATED", at("09:00:00"), 6000), sessionEnd("e3", s1, at("11:00:00")))
	f("of another day", "", sessionAnswerOf(s1, "TERMINATED", at("09:00:00").AddDate(0, 0, -1), 6000))
	f("its start is on the next day", "", sessionAnswerOf(s1, "TERMINATED", at("23:59:59"), 6000), sessionStart("e1", s1, at("00:00:01").AddDate(0, 0, 1), nil))
	f("ended by somebody without it", "", sessionEnd("e3", s2, at("11:00:00")), unanswered(athenatrail.KindSession, s2, athenatrail.OutcomeNotFound, today))
	f("an end that was refused", "session no_detail rosa", start, sessionEvent(endSession, "e3", s1, at("11:00:00"), object{"requestParameters": object{"sessionId": s1}, "errorCode": "AccessDenied"}))
	f("payloads hidden", "session no_detail rosa", sessionStart("e1", s1, at("10:00:00"), object{"requestParameters": object{"workGroup": "spark", "engineConfiguration": hidden, "description": hidden}}))
	f("parameters of other forms", "session no_detail rosa", sessionStart("e1", s1, at("10:00:00"), object{"requestParameters": object{"engineConfiguration": []any{1}, "sessionIdleTimeoutInMinutes": "x"}}))
}

// A session that only Athena tells of counts for the quarter hour that Athena
// says; one that began longer ago than is believed has no row here, because it
// lies on no day that could be said.
func TestSessionWithoutEvent(t *testing.T) {
	sessions, _, usage := sparkRows(t, today, sessionAnswerOf(s1, "TERMINATED", at("23:59:59").Add(999*time.Millisecond), hour))
	if len(sessions) != 1 || sessions[0].Hour != 23 || sessions[0].EventID != "" || sessions[0].PersonSource != athenatrail.SourceNone || len(usage) != 1 || !usage[0].Slot.Equal(at("23:45:00")) {
		t.Errorf("%+v, %+v", sessions, usage)
	}
	far := sessionAnswerOf(s1, "TERMINATED", at("09:00:00").AddDate(0, 0, -60), hour)
	far.Home, far.SubmittedAt = home, time.Time{}
	if sessions, _, usage := sparkRows(t, today, far); len(sessions) != 0 || len(usage) != 0 {
		t.Errorf("%+v", sessions)
	}
	none := sessionAnswerOf(s1, "TERMINATED", at("09:00:00"), hour)
	none.SubmittedAt, none.Answer = time.Time{}, `{"Status":{"State":"TERMINATED"}}`
	if sessions, _, _ := sparkRows(t, today, none); len(sessions) != 0 {
		t.Errorf("no time at all: %+v", sessions)
	}
}

// The usage of a session lies on the day of its row, on whichever side of
// midnight Athena says that it began.
func TestUsageOfASessionAtMidnight(t *testing.T) {
	for _, c := range []struct{ event, athena time.Time }{
		{at("00:00:01"), midnight.Add(-time.Second)},
		{at("23:59:59"), midnight.Add(24*time.Hour + time.Second)},
	} {
		sessions, _, usage := sparkRows(t, today, sessionStart("e1", s1, c.event, nil), sessionAnswerOf(s1, "TERMINATED", c.athena, hour))
		if len(sessions) != 1 || len(usage) != 1 {
			t.Fatalf("%s: %d sessions, %d sums", c.event, len(sessions), len(usage))
		}
		if s := sessions[0]; !s.StartedAt.Equal(c.athena) || int(s.Hour) != c.event.Hour() || athenatrail.DateOf(usage[0].Slot) != today {
			t.Errorf("%+v in %s", s, usage[0].Slot)
		}
		// The day on which Athena puts it has no row.
		sessions, _, usage = sparkRows(t, athenatrail.DateOf(c.athena), sessionStart("e1", s1, c.event, nil), sessionAnswerOf(s1, "TERMINATED", c.athena, hour))
		if len(sessions) != 0 || len(usage) != 0 {
			t.Errorf("a second row: %+v", sessions)
		}
	}
}

// Cells never cost more together than their session, on however many days they
// ran, and whatever Athena says of their DPU time.
func TestSharesDoNotExceedTheCost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		dpu := rapid.OneOf(rapid.Int64Range(0, 20), rapid.Int64Range(0, 100*hour), rapid.Just(int64(math.MaxInt64))).Draw(t, "session")
		facts := []any{sessionStart("e0", s1, at("10:00:00"), nil), sessionAnswerOf(s1, "TERMINATED", at("10:00:00"), dpu)}
		n := rapid.IntRange(0, 6).Draw(t, "cells")
		for i := range n {
			when := at("12:00:00").AddDate(0, 0, rapid.IntRange(-1, 8).Draw(t, "day"))
			id := fmt.Sprintf("cccccccc-0000-4000-8000-%012d", i)
			if rapid.Bool().Draw(t, "event") {
				facts = append(facts, cell(fmt.Sprintf("e%d", i+1), id, s1, when))
			}
			if rapid.IntRange(0, 4).Draw(t, "answered") > 0 {
				facts = append(facts, cellAnswerOf(id, s1, when.Add(time.Duration(rapid.SampledFrom([]int{0, 0, 86400}).Draw(t, "later"))*time.Second), rapid.OneOf(rapid.Int64Range(-1, 20), rapid.Int64Range(0, 50*hour)).Draw(t, "dpu")))
			}
		}
		var cost, shares, idle athenatrail.Money
		for on := today - 1; on <= today+9; on++ {
			sessions, cells, _ := sparkRows(unfailing{}, on, facts...)
			for _, s := range sessions {
				if s.Cost != nil {
					cost += *s.Cost
				}
				if s.IdleCost != nil {
					idle += *s.IdleCost
				}
			}
			for _, c := range cells {
				if c.CostShare != nil {
					shares += *c.CostShare
				}
			}
		}
		if shares+idle > cost {
			t.Fatalf("shares of %s and idle time of %s of %s", shares, idle, cost)
		}
	})
}

// The first copy of an event makes the row, whichever comes first.
func TestFirstSessionEventCounts(t *testing.T) {
	other := object{"userIdentity": object{"type": "IAMUser", "accountId": account, "userName": "ana"}}
	later := sessionStart("e2", s1, at("10:00:05"), other)
	again := sessionStart("e1", s1, at("10:00:00").AddDate(0, 0, 1), other)
	first := sessionStart("e3", s1, at("10:00:00"), nil)
	for _, facts := range [][]any{{later, again, first}, {first, again, later}, {again, first, later}} {
		sessions, _, _ := sparkRows(t, today, facts...)
		if len(sessions) != 1 || sessions[0].EventID != "e3" || sessions[0].Person != "rosa" {
			t.Errorf("%+v", sessions)
		}
		if sessions, _, _ := sparkRows(t, today+1, facts...); len(sessions) != 0 {
			t.Errorf("a second row: %+v", sessions)
		}
		// SQL from within the session is the same human's, days later too.
		sql := event("StartQueryExecution", "e9", q1, at("10:00:00").AddDate(0, 0, 7), object{"userIdentity": executor(s1)})
		d := feedDay(t, NewDay(home.On(today+7), newSettings(t, price.Settings{})), append([]any{sql}, facts...)...)
		if rows, _ := d.Tables(); len(rows) != 1 || rows[0].Person != "rosa" || rows[0].PersonSource != athenatrail.SourceNotebookSession {
			t.Errorf("%+v", rows)
		}
	}
	if d := cmp.Diff([]athenatrail.Session(nil), func() []athenatrail.Session { s, _, _ := sparkRows(t, today+8, first); return s }()); d != "" {
		t.Error(d)
	}
}
