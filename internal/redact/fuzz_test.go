package redact

import (
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
)

// FuzzRecord redacts any text that stands as a record, an answer and a message.
// The SQL of the record is not in it any more, and a second time changes
// nothing.
func FuzzRecord(f *testing.F) {
	f.Add(`{"requestParameters":{"queryString":"SELECT 'Jane'"}}`, `{"Status":{"StateChangeReason":"line 1:1: 'Jane'"}}`, "SELECT 'Jane'")
	f.Add(`{"requestParameters":{"queries":[{"query":["SELECT 'Jane'"]}],"queryString":{"a":1}}}`, `{"ExecutionParameters":[{"a":"Jane"},null]}`, "SELECT 'Jane")
	f.Add(`{"requestParameters":[{"queryString":1e999}],"queryString":"x"}`, `[[[[[[`, "\u2028\x00'")
	f.Add(strings.Repeat(`{"a":`, 5000), strings.Repeat(`[`, 20_000), "--")
	f.Fuzz(func(t *testing.T, record, answer, sql string) {
		r := New(LiteralsMasked, salt, nil)
		got := r.record(record)
		if again := r.record(got); again != got {
			t.Fatalf("%q became %q, then %q", record, got, again)
		}
		d := athenatrail.Detail{Answer: answer, Message: sql, TextHash: athenatrail.HashText(sql)}
		r.Detail(&d, sql)
		twice := d
		r.Detail(&twice, "")
		if twice != d {
			t.Fatalf("%+v, then %+v", d, twice)
		}
		q := athenatrail.QueryText{QueryString: sql, TextHash: athenatrail.HashText(sql)}
		r.Text(&q)
		if sql != "" && strings.Contains(q.TextHash, athenatrail.HashText(sql)) {
			t.Fatal("the plain hash is kept")
		}
	})
}
