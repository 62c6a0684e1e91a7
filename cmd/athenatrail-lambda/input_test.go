package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A fataler is a testing.T or a rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func zoneOf(t fataler, name string) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// spansText writes spans in UTC, as far as the hour.
func spansText(spans []span) string {
	var parts []string
	for _, s := range spans {
		parts = append(parts, s.From.UTC().Format("0102T15:04")+"-"+s.To.UTC().Format("0102T15:04"))
	}
	return strings.Join(parts, " ")
}

func TestRequests(t *testing.T) {
	zone := zoneOf(t, "America/New_York")
	now := at(t, "2026-11-21T06:00:30Z") // 01:00:30 in New York
	for _, c := range []struct{ input, want string }{
		{``, "1120T05:00-1121T05:00"},
		{`null`, "1120T05:00-1121T05:00"},
		{`{}`, "1120T05:00-1121T05:00"},
		{`{"version":"0","id":"x","detail-type":"Scheduled Event","source":"aws.events","time":"2026-11-21T06:00:00Z","detail":{}}`, "1120T05:00-1121T05:00"},
		{`{"source":"aws.scheduler","detail":"{}"}`, "1120T05:00-1121T05:00"},
		{`{"day":"2026-11-18"}`, "1118T05:00-1119T05:00"},
		{`{"report_date":"2026/11/18"}`, "1118T05:00-1119T05:00"},
		{`{"from":"2026-11-15","to":"2026-11-18"}`, "1115T05:00-1118T05:00"},
		{`{"from":"2026-11-15T07:00:00Z","to":"2026-11-15T09:00:00Z"}`, "1115T07:00-1115T09:00"},
		{`{"start_date":"2026-11-15","end_date":"2026/11/17"}`, "1115T05:00-1118T05:00"},
		{`{"report_date":"2026/11/18","hour":0}`, "1118T05:00-1118T06:00"},
		{`{"report_date":"2026-11-18","hour":"07"}`, "1118T12:00-1118T13:00"},
		{`{"hours":[{"report_date":"2026/11/18","hour":3},{"report_date":"2026/11/18","hour":2},{"report_date":"2026/11/18","hour":9}]}`, "1118T07:00-1118T09:00 1118T14:00-1118T15:00"},
		{`{"from":"2026-11-20","to":"2026-11-22"}`, "1120T05:00-1121T05:00"}, // as far as it has come
		{`{"day":"2026-11-01"}`, "1101T04:00-1102T05:00"},                    // 25 hours
		{`{"day":"2026-03-08"}`, "0308T05:00-0309T04:00"},                    // 23 hours
		{`{"report_date":"2026-11-01","hour":1}`, "1101T05:00-1101T07:00"},   // an hour that comes twice
		{`{"from":"2026-11-18T00:00:00-05:00","to":"2026-11-19"}`, "1118T05:00-1119T05:00"},
	} {
		r, err := parseRequest(json.RawMessage(c.input), now, zone)
		if err != nil {
			t.Errorf("%s: %v", c.input, err)
		} else if got := spansText(r.spans); got != c.want {
			t.Errorf("%s: got %s, want %s", c.input, got, c.want)
		}
	}
}

func TestUnknownInputShape(t *testing.T) {
	for input, want := range map[string]string{
		`{"dya":"2026-11-18"}`:                                    `unknown key "dya": want {} for yesterday`,
		`[1]`:                                                     "not a JSON object",
		`"2026-11-18"`:                                            "not a JSON object",
		`{"day":"2026-11-18","hour":3}`:                           "want {} for yesterday",
		`{"day":7}`:                                               `"day": want a text`,
		`{"day":null}`:                                            `"day": want a text`,
		`{"day":"18.11.2026"}`:                                    "want YYYY-MM-DD or YYYY/MM/DD",
		`{"day":"2026-11/18"}`:                                    "want YYYY-MM-DD or YYYY/MM/DD",
		`{"day":"2026-02-30"}`:                                    "want YYYY-MM-DD or YYYY/MM/DD",
		`{"report_date":"2026-11-18","hour":24}`:                  "want a whole number from 0 to 23",
		`{"report_date":"2026-11-18","hour":-1}`:                  "want a whole number from 0 to 23",
		`{"report_date":"2026-11-18","hour":1.5}`:                 "want a whole number from 0 to 23",
		`{"report_date":"2026-11-18","hour":null}`:                "want a whole number from 0 to 23",
		`{"hour":3}`:                                              "one of two keys is missing",
		`{"from":"2026-11-18"}`:                                   "one of two keys is missing",
		`{"end_date":"2026-11-18"}`:                               "one of two keys is missing",
		`{"hours":[]}`:                                            `"hours": want a list`,
		`{"hours":[{"hour":3}]}`:                                  `"hours": want a list`,
		`{"from":"2026-11-18T07:30:00Z","to":"2026-11-19"}`:       "a whole hour",
		`{"report_date":"2026-03-08","hour":2}`:                   "has no hour 2 in America/New_York",
		`{"from":"2006-01-01","to":"2026-11-19"}`:                 "want at most 3660",
		`{"` + strings.Repeat("k", 5000) + `":"` + `2026-11-18"}`: "unknown key",
	} {
		_, err := parseRequest(json.RawMessage(input), at(t, "2026-11-21T06:00:30Z"), zoneOf(t, "America/New_York"))
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "input ") {
			t.Errorf("%s: error %v, want one with %q", clip(input), err, want)
		} else if len(err.Error()) > 1500 {
			t.Errorf("%s: an error of %d bytes", clip(input), len(err.Error()))
		}
	}
}

func TestRangeTurnedRound(t *testing.T) {
	for _, input := range []string{
		`{"from":"2026-11-18","to":"2026-11-15"}`,
		`{"from":"2026-11-18","to":"2026-11-18"}`,
		`{"start_date":"2026-11-18","end_date":"2026-11-17"}`,
	} {
		_, err := parseRequest(json.RawMessage(input), at(t, "2026-11-21T06:00:30Z"), time.UTC)
		if err == nil || !strings.Contains(err.Error(), "turned round") {
			t.Errorf("%s: %v", input, err)
		}
	}
}

func TestDayInTheFuture(t *testing.T) {
	now := at(t, "2026-11-21T06:59:59Z")
	for _, input := range []string{
		`{"day":"2026-11-22"}`,
		`{"report_date":"2026/11/21","hour":6}`, // not over
		`{"start_date":"2027-01-01","end_date":"2027-01-03"}`,
	} {
		_, err := parseRequest(json.RawMessage(input), now, time.UTC)
		if err == nil || !strings.Contains(err.Error(), "in the future") {
			t.Errorf("%s: %v", input, err)
		}
	}
	// A range that reaches into the future is done as far as it has come.
	r, err := parseRequest(json.RawMessage(`{"from":"2026-11-20","to":"2026-12-24"}`), now, time.UTC)
	if err != nil || spansText(r.spans) != "1120T00:00-1121T06:00" {
		t.Errorf("got %v, %v", spansText(r.spans), err)
	}
}

// TestHoursMakeTheDay takes the hours of a day one by one, by the tracker's
// input: together they are the day, in every zone, also where clocks change.
func TestHoursMakeTheDay(t *testing.T) {
	zones := []string{"America/New_York", "UTC", "Europe/Paris", "Asia/Kolkata", "Australia/Lord_Howe", "America/St_Johns", "Africa/Cairo"}
	rapid.Check(t, func(t *rapid.T) {
		zone := zoneOf(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		day := time.Date(2024, 1, 1+rapid.IntRange(0, 1000).Draw(t, "day"), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
		now := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
		whole, err := parseRequest(fmt.Appendf(nil, `{"day":%q}`, day), now, zone)
		if err != nil {
			t.Fatal(err)
		}
		var hours []string
		for hour := range 24 {
			one := fmt.Sprintf(`{"report_date":%q,"hour":%d}`, day, hour)
			if _, err := parseRequest(json.RawMessage(one), now, zone); err == nil {
				hours = append(hours, one)
			} else if !strings.Contains(err.Error(), "clocks are put forward") {
				t.Fatal(err)
			}
		}
		if len(hours) < 23 {
			t.Fatalf("%s has %d hours", day, len(hours))
		}
		together, err := parseRequest(json.RawMessage(`{"hours":[`+strings.Join(hours, ",")+`]}`), now, zone)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := spansText(together.spans), spansText(whole.spans); got != want {
			t.Fatalf("%s in %s: the hours are %s, the day %s", day, zone, got, want)
		}
	})
}

func FuzzParseRequest(f *testing.F) {
	for _, seed := range []string{``, `{}`, `{"day":"2026-11-18"}`, `{"hours":[{"report_date":"2026/11/18","hour":3}]}`, `{"from":"2026-11-15T07:00:00Z","to":"2026-11-16"}`, `{"source":7}`} {
		f.Add([]byte(seed))
	}
	now := time.Date(2026, 11, 21, 6, 0, 30, 0, time.UTC)
	f.Fuzz(func(t *testing.T, input []byte) {
		r, err := parseRequest(input, now, time.UTC)
		if err != nil {
			return
		}
		if len(r.spans) == 0 {
			t.Fatal("no span, and no error")
		}
		for i, s := range r.spans {
			if !s.From.Before(s.To) || s.To.After(now) || i > 0 && !r.spans[i-1].To.Before(s.From) {
				t.Fatalf("spans %s", spansText(r.spans))
			}
		}
	})
}
