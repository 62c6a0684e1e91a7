package derive

import (
	"fmt"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/cloudtrail"
	"github.com/athenatrail/athenatrail/internal/identity"
	"github.com/athenatrail/athenatrail/internal/team"
	"github.com/athenatrail/athenatrail/internal/tool"
)

// BenchmarkEvent compares what an event takes beside its decoding, for callers
// of several kinds that a busy day has many calls of.
func BenchmarkEvent(b *testing.B) {
	settings := fullSettings(b)
	var rules []team.Rule
	for i := range 20 {
		rules = append(rules, team.Rule{Team: fmt.Sprint("team ", i), Role: fmt.Sprintf("*-%d-*", i), WorkGroup: "wg*"})
	}
	teams, err := team.New(rules)
	if err != nil {
		b.Fatal(err)
	}
	settings.Teams = teams
	members := []object{
		{},
		{"userIdentity": bySSO, "userAgent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/124.0 Safari/537.36"},
		{"userIdentity": role("etl", "botocore-session-1700000000", "ASIAHOP1"), "userAgent": "Boto3/1.34.100 md/Botocore#1.34.100 ua/2.0 os/linux#6.1 md/arch#x86_64 lang/python#3.11.8 md/pyimpl#CPython cfg/retry-mode#legacy Botocore/1.34.100 PyAthena/3.8.2"},
		{"userIdentity": role("etl", "botocore-session-1700000001", "ASIAHOP2"), "userAgent": "[aws-sdk-java/2.25.0 Linux/6.1 OpenJDK_64-Bit_Server_VM/17 exec-env/AWS_Lambda_java17]"},
	}
	const n = 20_000
	events := make([]*athenatrail.Event, n)
	for i := range events {
		name := "GetQueryExecution"
		if i%4 == 0 {
			name = "StartQueryExecution"
		}
		events[i] = event(name, fmt.Sprintf("%08x-0000-4000-8000-00000000000e", i), fmt.Sprintf("%08x-0000-4000-8000-000000000001", i/4), midnight.Add(time.Duration(i)*time.Second), members[i/4%len(members)])
	}
	day := NewDay(home, settings)
	day.Issued(issueOf("x1", "ASIAHOP1", "ASIAHOP3", role("hop", "botocore-session-1", "ASIAHOP3"), midnight, account))
	day.Issued(issueOf("x2", "ASIAHOP3", "AKIAROSA", rosa, midnight.Add(-time.Hour), account))
	per := func(b *testing.B, f func(*athenatrail.Event)) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			f(events[i%n])
		}
	}
	records := make([]athenatrail.Record, n)
	for i, e := range events {
		if records[i], err = cloudtrail.DecodeRecord(e.Record); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("decode", func(b *testing.B) {
		per(b, func(e *athenatrail.Event) { cloudtrail.DecodeRecord(e.Record) })
	})
	b.Run("who", func(b *testing.B) {
		i := 0
		per(b, func(*athenatrail.Event) {
			identity.Resolve(&records[i%n], &day.known, nil, settings.Identity)
			i++
		})
	})
	b.Run("tool", func(b *testing.B) {
		i := 0
		per(b, func(*athenatrail.Event) { tool.Of(&records[i%n], nil); i++ })
	})
	b.Run("team", func(b *testing.B) {
		from := &caller{Who: athenatrail.Who{Person: "rosa", RoleName: "etl"}}
		per(b, func(*athenatrail.Event) { day.team(from, "wg") })
	})
	b.Run("all", func(b *testing.B) {
		per(b, func(e *athenatrail.Event) {
			if _, err := day.Event(e); err != nil {
				b.Fatal(err)
			}
		})
	})
}
