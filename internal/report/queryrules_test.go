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
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{lakeDir: lakeDir{t: t, noRollup: true}}
			evidence := c.build(s)
			p := week
			p.PartitionColumns = partitions
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
