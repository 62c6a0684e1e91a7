package lake_test

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
)

// someExecutions makes a day of query executions of one account and region, by
// 60 people with tools of their own; two of five have the SQL of another.
func someExecutions(n int, p athenatrail.Partition) []athenatrail.QueryExecution {
	seed := sha256.Sum256([]byte(p.String()))
	r := rand.New(rand.NewSource(int64(binary.LittleEndian.Uint64(seed[:]))))
	id := func() string {
		return fmt.Sprintf("%08x-%04x-%04x-%04x-%012x", r.Uint32(), r.Intn(1<<16), r.Intn(1<<16), r.Intn(1<<16), r.Int63n(1<<48))
	}
	number := func(most int64) *int64 { v := r.Int63n(most); return &v }
	rows := make([]athenatrail.QueryExecution, n)
	texts := []string{athenatrail.HashText("SELECT 1")}
	for i := range rows {
		who := r.Intn(60)
		text := texts[r.Intn(len(texts))]
		if r.Intn(5) > 1 {
			text = athenatrail.HashText(id())
			texts = append(texts, text)
		}
		at := p.Date.Time().Add(time.Duration(r.Int63n(86_400_000)) * time.Millisecond)
		scanned, cost := number(1<<38), athenatrail.Money(r.Int63n(5e9))
		table := fmt.Sprintf("awsdatacatalog.sales_%d.orders_%d", who%9, r.Intn(40))
		rows[i] = athenatrail.QueryExecution{
			QueryExecutionID: id(), EventID: id(), AccountID: p.Account, RegionName: p.Region, Hour: int32(at.Hour()),
			WorkGroupName: fmt.Sprintf("group-%d", who%7), CatalogName: "awsdatacatalog", DatabaseName: fmt.Sprintf("sales_%d", who%9),
			StatementType: "DML", SubstatementType: "SELECT", TextHash: text, TextDt: p.Date.String(), QueryFingerprint: text[:16],
			TablesAccessed: []string{table}, DatabasesAccessed: []string{table[:strings.LastIndexByte(table, '.')]}, TablesSource: "sql",
			SubmissionDateTime: at, CompletionDateTime: at.Add(time.Duration(r.Int63n(90_000)) * time.Millisecond), State: "SUCCEEDED",
			DataScannedBytes: scanned, BilledBytes: scanned, Cost: &cost, Currency: "USD", CostBasis: "list",
			EngineMillis: number(90_000), QueueMillis: number(400), PlanningMillis: number(900), ServiceMillis: number(90), TotalMillis: number(91_000),
			EngineVersion: "Athena engine version 3",
			Who: athenatrail.Who{
				Person: fmt.Sprintf("person.%d@example.com", who), PersonSource: "sso_session", PersonTrust: "vouched", PersonKind: "human", Team: fmt.Sprintf("team-%d", who%8),
				PrincipalType: "AssumedRole", PrincipalARN: fmt.Sprintf("arn:aws:sts::%s:assumed-role/AWSReservedSSO_Analyst_0123456789abcdef/person.%d@example.com", p.Account, who),
				PrincipalID: fmt.Sprintf("AROAEXAMPLEEXAMPLE:person.%d@example.com", who), RoleName: "AWSReservedSSO_Analyst_0123456789abcdef",
				RoleSessionName: fmt.Sprintf("person.%d@example.com", who), AccessKeyHash: athenatrail.HashAccessKey(fmt.Sprint(who, at.Hour()/8)),
			},
		}
	}
	return rows
}

// TestClosedBytes bounds what a row of a closed file takes: ids, hashes and
// amounts that differ from row to row, and next to nothing else.
func TestClosedBytes(t *testing.T) {
	const rows, most = 10_000, 113
	store, err := lake.OpenStore(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	l := createLake(t, store)
	p := athenatrail.Partition{Date: home.Date, Account: "111122223333", Region: "eu-west-1"}
	if _, err := lake.WriteTable(t.Context(), l, lake.QueryExecutions, p, lake.QueryExecutions.Sorted(someExecutions(rows, p)), "v"); err != nil {
		t.Fatal(err)
	}
	if err := l.BeginClosing(t.Context(), home.Date+1); err != nil {
		t.Fatal(err)
	}
	c, err := lake.CloseDay(t.Context(), l, home.Date)
	if err != nil || c.Rows != rows {
		t.Fatal(c, err)
	}
	if got := float64(c.Bytes) / rows; got > most {
		t.Errorf("%.1f bytes a row, want %d at most", got, most)
	} else {
		t.Logf("%.1f bytes a row", got)
	}
}

// BenchmarkClose closes a day of 80,000 query executions in 4 places. Of its
// figures, bytes/row is what a closed file takes, open-bytes/row what the open
// files took.
func BenchmarkClose(b *testing.B) {
	const each = 20_000
	store, err := lake.OpenStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	l := createLake(b, store)
	bytes, open := int64(0), int64(0)
	for _, account := range []string{"111122223333", "444455556666"} {
		for _, region := range []string{"eu-west-1", "us-east-1"} {
			p := athenatrail.Partition{Date: home.Date, Account: account, Region: region}
			if _, err := lake.WriteTable(b.Context(), l, lake.QueryExecutions, p, lake.QueryExecutions.Sorted(someExecutions(each, p)), "v"); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := l.BeginClosing(b.Context(), home.Date+1); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c, err := lake.CloseDay(b.Context(), l, home.Date)
		if err != nil || c.Rows != 4*each {
			b.Fatal(c, err)
		}
		bytes, open = c.Bytes, c.OpenSum
		keys := slices.Collect(keysBelow(b, l, "tables/query_executions_closed/"))
		for _, key := range keys {
			if err := l.Delete(b.Context(), key); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(bytes)/(4*each), "bytes/row")
	b.ReportMetric(float64(open)/(4*each), "open-bytes/row")
}

func keysBelow(t testing.TB, l *lake.Lake, prefix string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for file, err := range l.List(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			if !yield(file.Key) {
				return
			}
		}
	}
}
