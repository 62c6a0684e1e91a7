package main

import (
	"strings"
	"testing"
)

// What the tracker (github.com/victorshen858's
// AWS-automated-daily-athena-user-query-tracker) promised its users and did not
// keep, and the tests of the right behaviour:
//
//	its schedule's {} was refused               TestScheduledRunDoesYesterday
//	YYYY-MM-DD was not read                     TestBothFormsOfDays
//	a range of days was one hour                TestThreeDaysAreSeventyTwoHours, TestThreeDaysAreSeventyTwoFiles
//	OUTPUT_TYPE=json wrote CSV                  internal/export, TestTrackerJSONIsJSON; TestOutputTypeIsObeyed
//	denied starts were dropped                  TestDayThroughStateMachine; internal/export, TestTrackerHasDeniedCalls
//	a rerun duplicated                          TestDayThroughStateMachine; internal/export
//	STATE_MACHINE_ARN was read by no code       TestStateMachineIsNamedOrMissed; deploy, TestStateMachineARNIsSet
//	LookupEvents was asked for everything       TestDayThroughLookupEvents; internal/lookup, TestPagesAreTheMemory
//	hour=1 and not hour=01                      internal/export, TestTrackerFoldersAreZeroPadded
//	the edges of hours were in two hours        TestHourEdgesAreHalfOpen; internal/export, TestTrackerHoursAreHalfOpen
//	its template could not be deployed or run   deploy, TestSchedulerMayStartTheStateMachine, TestScheduleHasATimeZone,
//	                                            TestPackageLiesElsewhere

const machine = "arn:aws:states:us-east-1:123456789012:stateMachine:athenatrail"

// TestBothFormsOfDays: its README said YYYY-MM-DD, its code read YYYY/MM/DD.
func TestBothFormsOfDays(t *testing.T) {
	for _, day := range []string{"2026-11-18", "2026/11/18"} {
		p, _ := newProgram(t, atOne, nil)
		var got planned
		if err := p.call(t, plan, `{"report_date":"`+day+`"}`, &got); err != nil || spansText(got.Export.Spans) != "1118T05:00-1119T05:00" {
			t.Errorf("%s: %v", day, err)
		}
	}
}

// TestStateMachineIsNamedOrMissed: its code read STATE_MACHINE, its README said
// STATE_MACHINE_ARN, its stack set neither.
func TestStateMachineIsNamedOrMissed(t *testing.T) {
	p, _ := newProgram(t, atOne, nil)
	err := p.call(t, start, `{}`, &started{})
	if err == nil || !strings.Contains(err.Error(), "STATE_MACHINE_ARN is not set") || !strings.Contains(err.Error(), "deploy/cloudformation.yaml") {
		t.Error(err)
	}
}

func TestStart(t *testing.T) {
	testDates := map[string]string{"TEST_START_DATE": "2026-11-15", "TEST_END_DATE": "2026/11/17"}
	for _, c := range []struct {
		name, input string
		env         map[string]string
		want        string
	}{
		{"nothing", `{}`, nil, `{}`},
		{"the test dates", `{}`, testDates, `{"end_date":"2026/11/17","start_date":"2026-11-15"}`},
		{"the first of them", `null`, map[string]string{"TEST_START_DATE": "2026-11-15"}, `{"end_date":"2026-11-15","start_date":"2026-11-15"}`},
		{"a scheduler's event, whatever the test dates", `{"source":"aws.events","detail-type":"Scheduled Event"}`, testDates, `{}`},
		{"one hour", `{"report_date":"2026/11/18","hour":7}`, testDates, `{"hour":7,"report_date":"2026/11/18"}`},
		{"the hour of the test date", `{"hour":7}`, testDates, `{"hour":7,"report_date":"2026-11-15"}`},
		{"a range", `{"from":"2026-11-15","to":"2026-11-18"}`, nil, `{"from":"2026-11-15","to":"2026-11-18"}`},
	} {
		env := map[string]string{"STATE_MACHINE_ARN": machine}
		for k, v := range c.env {
			env[k] = v
		}
		p, _ := newProgram(t, atOne, env)
		s := &fakeStarter{}
		p.starts = s
		var got started
		if err := p.call(t, start, c.input, &got); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if len(s.inputs) != 1 || s.inputs[0] != c.want || got.Status != "triggered" || !strings.HasPrefix(got.Execution, "arn:aws:states:us-east-1:123456789012:execution:athenatrail:") {
			t.Errorf("%s: started %v, answered %+v", c.name, s.inputs, got)
		}
	}
}

// TestStartRefusesBeforeItStarts: what the state machine would refuse is
// refused where the caller sees it.
func TestStartRefusesBeforeItStarts(t *testing.T) {
	for _, c := range []struct {
		input string
		env   map[string]string
		want  string
	}{
		{`{"dya":"2026-11-18"}`, nil, "unknown key"},
		{`{"from":"2026-11-18","to":"2026-11-15"}`, nil, "turned round"},
		{`{"day":"2027-11-18"}`, nil, "in the future"},
		{`{}`, map[string]string{"TEST_START_DATE": "18.11.2026"}, "want YYYY-MM-DD or YYYY/MM/DD"},
		{`{}`, map[string]string{"TEST_END_DATE": "2026-11-18"}, "TEST_START_DATE is not set"},
		{`{}`, map[string]string{"TEST_START_DATE": "2026-11-18", "TEST_END_DATE": "2026-11-17"}, "turned round"},
		{`{"hour":7}`, nil, "one of two keys is missing"},
	} {
		env := map[string]string{"STATE_MACHINE_ARN": machine}
		for k, v := range c.env {
			env[k] = v
		}
		p, _ := newProgram(t, atOne, env)
		s := &fakeStarter{}
		p.starts = s
		if err := p.call(t, start, c.input, &started{}); err == nil || !strings.Contains(err.Error(), c.want) || len(s.inputs) > 0 {
			t.Errorf("%s: %v, started %v", c.input, err, s.inputs)
		}
	}
}

// TestMissingVariables names each with where it is set.
func TestMissingVariables(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string
	}{
		{map[string]string{"S3_BUCKET": ""}, "S3_BUCKET is not set: want the bucket of the lake"},
		{map[string]string{"S3_BUCKET": "", "ATHENATRAIL_LAKE": "s3://lake/x", "OUTPUT_TYPE": "csv"}, "S3_BUCKET is not set: want the bucket of the files"},
		{map[string]string{"S3_BUCKET": "s3://usage"}, "without s3://"},
		{map[string]string{"OUTPUT_TYPE": "xlsx"}, "want csv, json, jsonl, parquet or none"},
		{map[string]string{"OUTPUT_PREFIX": "/x"}, "OUTPUT_PREFIX"},
		{map[string]string{"SHARD_BY": "week"}, "want hour or account"},
		{map[string]string{"MAX_CONCURRENCY": "0"}, "from 1 to 1000"},
		{map[string]string{"STATE_MACHINE_ARN": "athenatrail"}, "want the ARN of a state machine"},
		{map[string]string{"ATHENATRAIL_TIMEZONE": "EST5"}, "a time zone"},
	} {
		all := map[string]string{"S3_BUCKET": "usage-files"}
		for k, v := range c.env {
			all[k] = v
		}
		p := &program{getenv: func(n string) string { return all[n] }, environ: func() (list []string) {
			for k, v := range all {
				list = append(list, k+"="+v)
			}
			return list
		}}
		_, err := p.readSettings(t.Context())
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.env, err, c.want)
		} else if strings.Contains(c.want, "is not set") && !strings.Contains(err.Error(), "set it in the function's environment") {
			t.Errorf("%v: %v: does not say where", c.env, err)
		}
	}
}

// TestTrackersDefaults are what its users have set: a bucket, and no more.
func TestTrackersDefaults(t *testing.T) {
	p, f := newProgram(t, atOne, map[string]string{"ATHENATRAIL_SOURCES": ""})
	if f.set.zone.String() != "America/New_York" || f.set.outputType != "csv" || f.set.columns != "tracker" || f.set.outputPrefix != "" {
		t.Errorf("%+v", f.set)
	}
	env, err := p.env(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if env.Lake != "s3://usage-files/athenatrail" || strings.Join(env.Sources, ",") != "lookup-events" {
		t.Errorf("lake %s, sources %v", env.Lake, env.Sources)
	}
}

func TestHandlers(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		want string // a handler, or a part of the error
	}{
		{map[string]string{"_HANDLER": "plan"}, "plan"},
		{map[string]string{"_HANDLER": "bootstrap", "ATHENATRAIL_HANDLER": "unit"}, "unit"},
		{map[string]string{"_HANDLER": "lambda_function.lambda_handler"}, `the function's handler setting is "lambda_function.lambda_handler": want one of deadline, derive,`},
		{map[string]string{"ATHENATRAIL_HANDLER": "polish"}, `ATHENATRAIL_HANDLER is "polish"`},
	} {
		name, h, err := handlerOf(func(n string) string { return c.env[n] })
		if h == nil && (err == nil || !strings.Contains(err.Error(), c.want)) || h != nil && name != c.want {
			t.Errorf("%v: %s, %v", c.env, name, err)
		}
	}
}
