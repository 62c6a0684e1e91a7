package config

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/cloudtrail"
)

// What may be asked for becomes facts, and what of other services becomes none
// may not.
func TestLookupEventsBecomeFacts(t *testing.T) {
	kept := func(source, event string) int64 {
		record := fmt.Sprintf(`{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","accountId":"111122223333"},"eventTime":"2026-11-03T10:00:00Z",`+
			`"eventSource":"%s.amazonaws.com","eventName":%q,"awsRegion":"eu-west-1","eventID":"e-1","responseElements":{"credentials":{"accessKeyId":"ASIAEXAMPLE"}},`+
			`"requestParameters":{"tableArn":"arn:aws:glue:eu-west-1:111122223333:table/a/b","auditContext":{"additionalAuditContext":"{queryId: 1111-2222}"}}}`, source, event)
		tally, err := cloudtrail.NewReader(cloudtrail.DefaultLimits).Read(strings.NewReader(`{"Records":[`+record+`]}`), func(*cloudtrail.Facts) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		return tally.Kept.Events + tally.Kept.RoleSessions + tally.Kept.DataAccess
	}
	if !slices.IsSorted(lookupEvents) || len(slices.Compact(slices.Clone(lookupEvents))) != len(lookupEvents) {
		t.Error("the events are not in their order")
	}
	for _, event := range lookupEvents {
		source := "athena"
		switch {
		case strings.HasPrefix(event, "Assume"), event == "GetFederationToken", event == "GetSessionToken":
			source = "sts"
		case event == "GetDataAccess":
			source = "lakeformation"
		}
		if kept(source, event) != 1 {
			t.Errorf("%s of %s becomes no fact", event, source)
		}
	}
	if kept("lakeformation", "GetTemporaryGlueTableCredentials") != 0 {
		t.Error("the test cannot tell what becomes no fact")
	}
}

func TestLookupEvents(t *testing.T) {
	c, err := load(t, "version: 1\nlookup_events: {events: AssumeRole}\nrates: {lookup_events: 0.5}\n", []string{"ATHENATRAIL_LOOKUP_EVENTS={lateness: 1d}"})
	if err != nil {
		t.Fatal(err)
	}
	got := values(c)
	for key, want := range map[string]string{
		"lookup_events.events":   "AssumeRole < athenatrail.yaml:2",
		"lookup_events.lateness": "1d < ATHENATRAIL_LOOKUP_EVENTS",
		"rates.lookup_events":    "0.5 < athenatrail.yaml:3",
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
	if d := defaults(); !slices.Equal(d.LookupEvents.Events, []string{"StartQueryExecution"}) || d.LookupEvents.Lateness != time.Hour || d.Rates.LookupEvents != 2 {
		t.Errorf("%+v", d.LookupEvents)
	}
	for text, want := range map[string]string{
		"{events: [startqueryexecution]}":    `lookup_events.events "startqueryexecution": want StartQueryExecution`,
		"{events: [RunInstances]}":           `lookup_events.events "RunInstances": want the name of an event that is made use of`,
		"{events: []}":                       "lookup_events.events: want at least one",
		"{events: [AssumeRole, AssumeRole]}": "lookup_events.events: AssumeRole stands here twice",
		"{lateness: 8d}":                     `lookup_events.lateness "8d": want a duration such as 36h, 2d or 1d12h, at most 7d`,
		"{lateness: -1h}":                    `lookup_events.lateness "-1h": want a duration`,
		"{event: [AssumeRole]}":              `lookup_events: unknown key "event": did you mean events?`,
		"[StartQueryExecution]":              "lookup_events: want keys with values",
		"{events: {a: b}}":                   "lookup_events.events: want a list",
	} {
		_, err := load(t, "version: 1\nlookup_events: "+text+"\n", nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}
