package report

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail"
)

// A run is an execution of a scene, so many minutes into the window.
func (s *scene) run(minute float64, who, sql string, bytes int64, set func(*athenatrail.QueryExecution)) string {
	s.n++
	at := weekStart.Add(time.Duration(minute * float64(time.Minute)))
	e := execution(s.n, at, who, bytes, athenatrail.Money(max(bytes, 10<<20)>>20*5_000_000_000>>20))
	e.SubstatementType, e.TextDt = "SELECT", at.Format(time.DateOnly)
	hash := fmt.Sprintf("%x", sha256.Sum256([]byte(sql)))
	e.TextHash, e.QueryFingerprint = hash, hash[:32]
	e.DatabasesAccessed = []string{"awsdatacatalog.sales"}
	if set != nil {
		set(&e)
	}
	s.executions = append(s.executions, e)
	text := athenatrail.QueryText{Home: athenatrail.NewPartition(at, e.AccountID, e.RegionName), TextHash: e.TextHash, QueryString: sql}
	if !slices.ContainsFunc(s.texts, func(q athenatrail.QueryText) bool { return q.Home == text.Home && q.TextHash == text.TextHash }) {
		s.texts = append(s.texts, text)
	}
	return e.QueryExecutionID
}

const gigabyte = 1 << 30

// table adds an answer of the catalog, each a day after the one before, and
// the first long before the window.
func (s *scene) table(name, account, region, answer string) {
	s.answers++
	home := athenatrail.Partition{Date: athenatrail.DateOf(weekStart) - 300 + athenatrail.Date(s.answers), Account: account, Region: region}
	s.catalog = append(s.catalog, athenatrail.Reference{Home: home, Kind: athenatrail.KindTable, ID: "awsdatacatalog." + name, Answer: answer})
}

// reserved makes an execution one on reserved capacity.
func reserved(dpus float64, took time.Duration) func(*athenatrail.QueryExecution) {
	return func(e *athenatrail.QueryExecution) {
		e.DPUCount, e.CostBasis, e.Cost, e.BilledBytes, e.Currency = &dpus, athenatrail.BasisCapacity, nil, nil, ""
		e.CompletionDateTime = e.SubmissionDateTime.Add(took)
	}
}

// every runs a statement n times, one every so many minutes.
func (s *scene) every(minutes float64, n int, who, sql string, bytes int64, set func(*athenatrail.QueryExecution)) (ids []string) {
	for i := range n {
		ids = append(ids, s.run(minutes*float64(i), who, sql, bytes, set))
	}
	return ids
}

// Each rule about executions finds what it is about, with its evidence and
// saving, and not what looks like it.
func TestQueryFindings(t *testing.T) {
	const month = 31 * 24 * 60
	const sql = "SELECT count(*) FROM sales.orders"
	partitions := []PartitionColumn{{"awsdatacatalog.sales.orders", "DT"}}
	from := func(ip string, set func(*athenatrail.QueryExecution)) func(*athenatrail.QueryExecution) {
		return func(e *athenatrail.QueryExecution) {
			e.SourceIP, e.PrincipalType, e.AccessKeyHash, e.PrincipalARN = ip, "IAMUser", "hash of a key", "arn:aws:iam::111122223333:user/export"
			if set != nil {
				set(e)
			}
		}
	}
	behind := func(role, trust string) func(*athenatrail.QueryExecution) {
		return func(e *athenatrail.QueryExecution) { e.RoleName, e.PersonTrust = role, trust }
	}
	free := func(state string) func(*athenatrail.QueryExecution) {
		return func(e *athenatrail.QueryExecution) {
			e.State, e.Cost, e.BilledBytes, e.CostBasis = state, ptr(athenatrail.Money(0)), ptr(int64(0)), athenatrail.BasisFree
		}
	}
	for name, c := range map[string]struct {
		rule   string
		saving any // of the finding; nil where none is told
		build  func(*scene) (evidence []string)
	}{
		// A run every 20 minutes: of each three the first would have run anyway.
		"repeats within the hour": {"repeated_query", "0.29296875", func(s *scene) []string {
			ids := s.every(20, 9, "alice", sql, 10*gigabyte, nil)
			return slices.Concat(ids[1:3], ids[4:6], ids[7:9])
		}},
		"repeats too far apart": {"repeated_query", nil, func(s *scene) []string { s.every(61, 9, "alice", sql, 10*gigabyte, nil); return nil }},
		"too few repeats":       {"repeated_query", nil, func(s *scene) []string { s.every(1, 3, "alice", sql, 100*gigabyte, nil); return nil }},
		"repeats that cost little": {"repeated_query", nil, func(s *scene) []string {
			s.every(1, 20, "alice", sql, gigabyte, nil)
			return nil
		}},
		"repeats that no reuse would serve": {"repeated_query", nil, func(s *scene) []string {
			s.every(5, 6, "alice", "SELECT * FROM sales.orders WHERE id = ?", 100*gigabyte, nil)
			s.every(5, 6, "alice", "SELECT 1 FROM sales.ledger", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.TablesSource = "lake_formation" })
			s.every(5, 6, "alice", "SELECT 1 FROM mysql.sales.ledger", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.DatabasesAccessed = []string{"mysql.sales"} })
			s.every(5, 6, "alice", "INSERT INTO sales.ledger SELECT 1", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.SubstatementType = "INSERT" })
			s.every(5, 6, "alice", "SELECT 1 FROM sales.reused_already", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.ReusedResult = ptr(true) })
			s.every(5, 6, "alice", "SELECT 1 FROM sales.not_finished_before_the_next", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.CompletionDateTime = e.SubmissionDateTime.Add(time.Hour) })
			n := 0
			s.every(5, 6, "alice", "SELECT 1 FROM each_time_in_another_group", 100*gigabyte, func(e *athenatrail.QueryExecution) { n++; e.WorkGroupName = fmt.Sprint("group ", n) })
			s.every(5, 6, "alice", "SELECT 1 FROM sales.by_athenatrail", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.Own = true })
			return nil
		}},
		// Those that name dt scan 10 GB; this one could have too.
		"no partition column named": {"unfiltered_partitions", "0.439453125", func(s *scene) []string {
			s.every(5, 2, "alice", "SELECT 1 FROM sales.orders WHERE dt = '1'", 10*gigabyte, nil)
			return []string{s.run(9, "bob", "SELECT 1 FROM sales.orders WHERE day = '1'", 100*gigabyte, nil)}
		}},
		"nothing to compare a scan with": {"unfiltered_partitions", nil, func(s *scene) []string {
			return []string{s.run(9, "bob", "SELECT 1 FROM sales.orders", 100*gigabyte, nil)}
		}},
		"partition columns named, or little scanned, or written": {"unfiltered_partitions", nil, func(s *scene) []string {
			s.run(9, "bob", "SELECT 1 FROM sales.orders WHERE \"DT\" > '1'", 100*gigabyte, nil)
			s.run(9, "bob", "SELECT 1 FROM sales.orders", 9*gigabyte, nil)
			s.run(9, "bob", "INSERT INTO sales.orders SELECT 1", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.TablesWritten = e.TablesAccessed })
			s.run(9, "bob", "SELECT 1 FROM sales.other", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.TablesAccessed = []string{"awsdatacatalog.sales.other"} })
			return nil
		}},
		"SELECT * again and again": {"select_star", nil, func(s *scene) []string {
			return s.every(100, 5, "alice", "SELECT *\nFROM  sales.orders", 2*gigabyte, nil)
		}},
		"SELECT * that is none, or little": {"select_star", nil, func(s *scene) []string {
			s.every(100, 4, "alice", "SELECT * FROM sales.orders", 2*gigabyte, nil)
			s.every(100, 9, "alice", "SELECT * FROM sales.little", 500_000_000, nil)
			s.every(100, 9, "alice", "SELECT * FROM (SELECT id FROM sales.orders)", 2*gigabyte, nil)
			s.every(100, 9, "alice", "SELECT count(*) FROM sales.orders LIMIT 5", 2*gigabyte, nil)
			return nil
		}},
		"small scans": {"small_scans", "0.0023842", func(s *scene) []string {
			return s.every(1, 100, "alice", sql, 5<<20, nil)
		}},
		"fewer small scans, or larger": {"small_scans", nil, func(s *scene) []string {
			s.every(1, 99, "alice", "SELECT 1 FROM few", 5<<20, nil)
			s.every(20, 140, "alice", "SELECT 1 FROM on_two_days", 5<<20, nil)
			s.every(1, 140, "alice", "SELECT 1 FROM larger_than_that", 11<<20, nil)
			s.every(1, 140, "alice", "SELECT 1 FROM that_failed_each_time", 5<<20, free("FAILED"))
			return nil
		}},
		"cancelled": {"cancelled_queries", "0.5859375", func(s *scene) []string {
			ids := s.every(60, 2, "alice", sql, 60*gigabyte, func(e *athenatrail.QueryExecution) { e.State = "CANCELLED" })
			s.run(3, "bob", sql, 60*gigabyte, func(e *athenatrail.QueryExecution) { e.State = "CANCELLED" })
			return ids
		}},
		"cancelled by different people": {"cancelled_queries", nil, func(s *scene) []string {
			for _, who := range []string{"alice", "bob", "carol"} {
				s.run(3, who, sql, 90*gigabyte, func(e *athenatrail.QueryExecution) { e.State = "CANCELLED" })
			}
			return nil
		}},
		"failures in a row": {"repeated_failures", nil, func(s *scene) []string { return s.every(30, 5, "alice", sql, gigabyte, free("FAILED")) }},
		"failures on several days, of several queries, of several people": {"repeated_failures", nil, func(s *scene) []string {
			s.every(8*60, 12, "alice", sql, gigabyte, free("FAILED"))
			for i := range 8 {
				s.run(float64(i), "alice", sql+strings.Repeat(" ", i+1), gigabyte, free("FAILED"))
				s.run(float64(i), fmt.Sprint("person ", i), sql+" LIMIT 1000", gigabyte, free("FAILED"))
			}
			return nil
		}},
		"a role with asserted people": {"shared_access", nil, func(s *scene) []string {
			s.run(0, "alice", sql, 1, behind("bi", athenatrail.TrustVouched))
			return []string{s.run(1, "alice", sql, 1, behind("bi", athenatrail.TrustAsserted)), s.run(2, "bob", sql, 1, behind("bi", athenatrail.TrustSession)),
				s.run(3, "carol", sql, 1, behind("bi", athenatrail.TrustAsserted))}
		}},
		"a role with people for whom AWS vouches": {"shared_access", nil, func(s *scene) []string {
			for i, who := range []string{"alice", "bob", "carol", "dave"} {
				s.run(float64(i), who, sql, 1, behind("AWSReservedSSO_Analyst", athenatrail.TrustVouched))
				s.run(float64(i), who, sql, 1, behind("role of "+who, athenatrail.TrustSession))
			}
			return nil
		}},
		"a key from three addresses": {"shared_access", nil, func(s *scene) []string {
			return []string{s.run(0, "export", sql, 1, from("192.0.2.1", nil)), s.run(1, "export", sql, 1, from("192.0.2.2", nil)), s.run(2, "export", sql, 1, from("2001:db8::1", nil))}
		}},
		"a key from an address a day, and two keys": {"shared_access", nil, func(s *scene) []string {
			for i := range 5 {
				s.run(float64(i*24*60), "export", sql, 1, from(fmt.Sprint("192.0.2.", i), nil))
				s.run(float64(i), "export", sql, 1, from(fmt.Sprint("192.0.2.", i), func(e *athenatrail.QueryExecution) { e.AccessKeyHash = fmt.Sprint("key ", i%3) }))
			}
			s.run(3*24*60+1, "export", sql, 1, from("athena.amazonaws.com", nil))
			return nil
		}},
		"a first access": {"first_access", nil, func(s *scene) []string {
			s.run(-month, "alice", sql, 1, nil)
			s.run(-month, "bob", sql, 1, func(e *athenatrail.QueryExecution) { e.DatabasesAccessed = []string{"awsdatacatalog.finance"} })
			id := s.run(5, "alice", sql, 1, func(e *athenatrail.QueryExecution) { e.DatabasesAccessed = []string{"awsdatacatalog.finance"} })
			s.run(9, "alice", sql, 1, func(e *athenatrail.QueryExecution) { e.DatabasesAccessed = []string{"awsdatacatalog.finance"} })
			return []string{id}
		}},
		"a first access that tells nothing": {"first_access", nil, func(s *scene) []string {
			in := func(database string, set func(*athenatrail.QueryExecution)) func(*athenatrail.QueryExecution) {
				return func(e *athenatrail.QueryExecution) {
					if e.DatabasesAccessed = []string{"awsdatacatalog." + database}; set != nil {
						set(e)
					}
				}
			}
			s.run(-month, "alice", sql, 1, in("finance", nil))
			s.run(-13*24*60, "bob", sql, 1, nil)                    // known for too short
			s.run(5, "bob", sql, 1, in("finance", nil))             //
			s.run(-13*24*60, "alice", sql, 1, in("new", nil))       // and so is the database
			s.run(-month, "carol", sql, 1, in("finance", nil))      // not for the first time
			s.run(5, "carol", sql, 1, in("finance", nil))           //
			s.run(-month, "dave", sql, 1, nil)                      //
			s.run(5, "dave", sql, 1, in("new", nil))                //
			s.run(5, "dave", sql, 1, in("finance", free("FAILED"))) // did not get it
			s.run(-month, "etl", sql, 1, func(e *athenatrail.QueryExecution) { e.PersonKind = athenatrail.PersonService })
			s.run(5, "etl", sql, 1, in("finance", func(e *athenatrail.QueryExecution) { e.PersonKind = athenatrail.PersonService }))
			return nil
		}},
		"no partition column named of a table of the catalog": {"unfiltered_partitions", "0.439453125", func(s *scene) []string {
			s.table("sales.visits", accountA, "eu-west-1", `{"From":"glue","PartitionColumns":["year","hr"]}`)
			s.table("sales.visits", accountB, "eu-west-1", `{"From":"glue","PartitionColumns":["nothing"]}`)
			s.table("sales.other", "unknown", "unknown", `{"From":"glue","PartitionColumns":["nothing"]}`)
			visits := func(e *athenatrail.QueryExecution) { e.TablesAccessed = []string{"awsdatacatalog.sales.visits"} }
			s.every(5, 2, "alice", "SELECT 1 FROM sales.visits WHERE HR = '1'", 10*gigabyte, visits)
			return []string{s.run(9, "bob", "SELECT 1 FROM sales.visits WHERE dt = 3", 100*gigabyte, visits)}
		}},
		"partition columns of what is gone, and of an earlier answer": {"unfiltered_partitions", nil, func(s *scene) []string {
			s.table("sales.other", accountA, "eu-west-1", `{"From":"glue","PartitionColumns":["hr"]}`)
			s.table("sales.other", accountA, "eu-west-1", `{"From":"glue","Gone":true}`)
			s.run(9, "bob", "SELECT 1 FROM sales.other", 100*gigabyte, func(e *athenatrail.QueryExecution) { e.TablesAccessed = []string{"awsdatacatalog.sales.other"} })
			return nil
		}},
		// 4,000 GB at 5 a terabyte, of which a third would do.
		"a table of CSV": {"text_formats", "13.020833333", func(s *scene) []string {
			s.table("sales.orders", accountA, "eu-west-1", `{"From":"glue","Format":"csv"}`)
			s.table("sales.orders", accountB, "eu-west-1", `{"From":"glue","Format":"parquet"}`)
			return s.every(5, 10, "alice", sql, 400*gigabyte, nil)
		}},
		"a table of JSON, by a file that names no account": {"text_formats", "13.020833333", func(s *scene) []string {
			s.table("sales.orders", "unknown", "unknown", `{"From":"file","Format":"json"}`)
			return s.every(5, 10, "alice", sql, 400*gigabyte, nil)
		}},
		"a table of CSV that is compressed": {"text_formats", nil, func(s *scene) []string {
			s.table("sales.orders", accountA, "eu-west-1", `{"Compression":"gzip","From":"glue","Format":"csv"}`)
			return s.every(5, 10, "alice", sql, 400*gigabyte, nil)
		}},
		"tables that are no text, read too rarely, for little, beside others, or written": {"text_formats", nil, func(s *scene) []string {
			in := func(tables ...string) func(*athenatrail.QueryExecution) {
				return func(e *athenatrail.QueryExecution) {
					e.TablesAccessed = nil
					for _, name := range tables {
						e.TablesAccessed = append(e.TablesAccessed, "awsdatacatalog.sales."+name)
					}
				}
			}
			for _, name := range []string{"rare", "cheap", "joined", "written", "gone", "free"} {
				s.table("sales."+name, accountA, "eu-west-1", `{"From":"glue","Format":"csv"}`)
			}
			s.table("sales.gone", accountA, "eu-west-1", `{"From":"glue","Gone":true}`)
			s.table("sales.orders", accountA, "eu-west-1", `{"From":"glue","Format":"parquet"}`)
			s.table("sales.iceberg", accountA, "eu-west-1", `{"From":"glue","Format":"iceberg"}`)
			s.every(5, 9, "alice", sql, 400*gigabyte, in("rare"))
			s.every(5, 20, "alice", sql, 10*gigabyte, in("cheap"))
			s.every(5, 10, "alice", sql, 400*gigabyte, in("joined", "orders"))
			s.every(5, 10, "alice", sql, 400*gigabyte, in("gone"))
			s.every(5, 10, "alice", sql, 400*gigabyte, in("orders"))
			s.every(5, 10, "alice", sql, 400*gigabyte, in("iceberg"))
			s.every(5, 10, "alice", sql, 400*gigabyte, func(e *athenatrail.QueryExecution) { in("free")(e); free("FAILED")(e) })
			s.every(5, 10, "alice", sql, 400*gigabyte, func(e *athenatrail.QueryExecution) { in("written")(e); e.TablesWritten = e.TablesAccessed })
			return nil
		}},
		// Two hours at 9.765625 each; 24 DPUs for two hours cost 4.80.
		"an hour that reserved DPUs would have served": {"on_demand_capacity", "14.73125", func(s *scene) []string {
			return s.every(30, 4, "alice", sql, 1000*gigabyte, nil)
		}},
		// About 39.06 in an hour with twelve at a time, for whom 60 DPUs are taken: 6.
		"many at a time": {"on_demand_capacity", "33.062461848", func(s *scene) []string {
			ids := []string{}
			for i := range 12 {
				ids = append(ids, s.run(float64(i)/10, "alice", sql, 8000*gigabyte/12, func(e *athenatrail.QueryExecution) { e.CompletionDateTime = e.SubmissionDateTime.Add(20 * time.Minute) }))
			}
			return ids
		}},
		"cheap hours, little in all, and other work groups": {"on_demand_capacity", nil, func(s *scene) []string {
			s.every(60, 40, "alice", sql, 450*gigabyte, nil)
			s.run(10_001, "alice", sql, 1400*gigabyte, nil)
			for i := range 5 {
				s.run(9_001, "alice", sql, 500*gigabyte, func(e *athenatrail.QueryExecution) { e.WorkGroupName = fmt.Sprint("group ", i) })
			}
			s.run(5_001, "alice", sql, 9000*gigabyte, func(e *athenatrail.QueryExecution) { e.RegionName = "eu-west-3" }) // no price
			s.run(5_001, "alice", sql, 9000*gigabyte, func(e *athenatrail.QueryExecution) { e.Currency = "EUR" })
			return nil
		}},
		// Two hours with 40 DPUs at a time: 8; ten queries of 10 GB on demand: 0.48828125.
		"capacity for little": {"reserved_capacity", "7.51171875", func(s *scene) []string {
			ids := []string{}
			for i := range 10 {
				ids = append(ids, s.run(float64(i%5+i/5*60), "alice", sql, 10*gigabyte, reserved(8, 10*time.Minute)))
			}
			return ids
		}},
		"capacity that pays, of which bytes are not known, or for few hours": {"reserved_capacity", nil, func(s *scene) []string {
			s.every(60, 20, "alice", sql, 2000*gigabyte, reserved(8, 10*time.Minute))
			s.every(60, 20, "alice", sql, gigabyte, func(e *athenatrail.QueryExecution) {
				reserved(8, 10*time.Minute)(e)
				e.WorkGroupName = "unknown"
				e.DataScannedBytes = nil
			})
			s.every(60, 4, "alice", sql, gigabyte, func(e *athenatrail.QueryExecution) { reserved(8, 10*time.Minute)(e); e.WorkGroupName = "short" })
			return nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{lakeDir: lakeDir{t: t, noRollup: true}}
			evidence := c.build(s)
			p := week
			p.PartitionColumns = partitions
			p.Prices = []Price{
				{Region: "eu-west-1", From: "2016-11-30", Rank: 2, PerTB: "5", PerDPUHour: "0.3", Currency: "USD", Megabyte: 1 << 20, MegabytesPerTB: 1 << 20},
				{Region: "eu-west-1", From: "2026-01-01", Rank: 0, PerDPUHour: "0.1", Currency: "USD", Megabyte: 1 << 20, MegabytesPerTB: 1 << 20},
				{Region: "eu-west-1", From: "2027-01-01", Rank: 0, PerDPUHour: "9", Currency: "USD", Megabyte: 1 << 20, MegabytesPerTB: 1 << 20},
			}
			p.Where = []Condition{{Column: "rule", Value: c.rule}}
			rows := answer(t, open(t, s.write(), Options{}), "findings", p)
			if len(evidence) == 0 {
				if len(rows) > 0 {
					t.Errorf("found %v", rows)
				}
				return
			}
			if len(rows) != 1 {
				t.Fatalf("%d findings: %v", len(rows), rows)
			}
			named := strings.Split(rows[0]["evidence"].(string), ", ")
			if d := cmp.Diff(evidence[:min(len(evidence), maxEvidence)], named); d != "" {
				t.Errorf("evidence (- is wanted):\n%s", d)
			}
			if got := rows[0]["saving"]; got != nil && fmt.Sprint(got) != c.saving || got == nil && c.saving != nil {
				t.Errorf("saving %v, want %v", got, c.saving)
			}
			if rows[0]["threshold"] == nil || rows[0]["fix"] == nil || rows[0]["what"] == nil || rows[0]["seen_at"] == nil ||
				c.rule == "unfiltered_partitions" && !strings.HasSuffix(rows[0]["what"].(string), "up to 107 GB at a time") {
				t.Errorf("%v", rows[0])
			}
		})
	}
	// Without partition columns nothing is said about them.
	s := &scene{lakeDir: lakeDir{t: t, noRollup: true}}
	s.run(9, "bob", "SELECT 1 FROM sales.orders", 100*gigabyte, nil)
	if rows := answer(t, open(t, s.write(), Options{}), "findings", week); len(rows) != 0 {
		t.Errorf("found %v", rows)
	}
}
