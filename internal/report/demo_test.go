package report_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/athenatrail/athenatrail/internal/cli"
	"github.com/athenatrail/athenatrail/internal/demo"
	"github.com/athenatrail/athenatrail/internal/report"
)

// events is about how many queries the demo of these tests has. What happens
// around its notebooks does not depend on it.
const events = 300

// athenatrail runs the program and returns what it prints.
func athenatrail(t *testing.T, args ...string) string {
	t.Helper()
	var out, talk bytes.Buffer
	if code := cli.Main(context.Background(), args, strings.NewReader(""), &out, &talk); code != 0 {
		t.Fatalf("athenatrail %s: exit %d\n%s", strings.Join(args, " "), code, talk.String())
	}
	return out.String()
}

type row = map[string]any

// view asks for a view over all of the demo's days.
func view(t *testing.T, lake string, args ...string) []row {
	t.Helper()
	text := athenatrail(t, append([]string{"report", "--lake", lake, "--output", "json", "--limit", "0", "--from", "2026-09-28", "--to", "2026-11-03"}, args...)...)
	var page struct{ Rows []row }
	dec := json.NewDecoder(strings.NewReader(text))
	dec.UseNumber()
	if err := dec.Decode(&page); err != nil {
		t.Fatal(err)
	}
	return page.Rows
}

func nano(t *testing.T, v any) int64 {
	t.Helper()
	if v == nil {
		return 0
	}
	r, ok := new(big.Rat).SetString(fmt.Sprint(v))
	if !ok {
		t.Fatalf("amount %v", v)
	}
	return r.Mul(r, big.NewRat(1e9, 1)).Num().Int64()
}

// TestDemoNotebooks compares what is reported of the demo's notebooks with what
// its generator knows and the program never reads.
func TestDemoNotebooks(t *testing.T) {
	if testing.Short() {
		t.Skip("the demo takes a while")
	}
	lake := filepath.Join(t.TempDir(), "lake")
	athenatrail(t, "demo", "--no-serve", "--quiet", "--events", fmt.Sprint(events), "--lake", lake)
	company := demo.Generate(demo.Options{Events: events})
	truths := company.SparkTruths()
	sessions := map[string]row{}
	for _, r := range view(t, lake, "notebooks") {
		if id, ok := r["session_id"].(string); ok {
			sessions[id] = r
		}
	}
	t.Run("sessions", func(t *testing.T) { sessionsAgree(t, truths, sessions) })
	t.Run("people", func(t *testing.T) { peopleAgree(t, lake, truths, sessions) })
	t.Run("findings", func(t *testing.T) { findingsAgree(t, company, view(t, lake, "findings")) })
	t.Run("who", func(t *testing.T) { whoTells(t, lake, truths) })
}

// answer is how the lake has the person of a truth: the demo's directory knows
// every id of a human.
func answer(s demo.SparkTruth) string {
	if s.Kind == "human" && s.Rung != "role" {
		return strings.ToLower(s.Person)
	}
	return s.Answer
}

func sessionsAgree(t *testing.T, truths []demo.SparkTruth, sessions map[string]row) {
	compared := 0
	for _, want := range truths {
		got := sessions[want.SessionID]
		if got == nil {
			// What began before the trail lies on a day of which it has nothing.
			if !slices.Contains(want.Cases, "before_the_trail") && !slices.Contains(want.Cases, "unknown_session") {
				t.Errorf("no session %s %v", want.SessionID, want.Cases)
			}
			continue
		}
		if want.Gap == "no_event" {
			if got["person_source"] != "none" || got["gap"] != "no_event" {
				t.Errorf("session %v: %v", want.Cases, got)
			}
			continue
		}
		compared++
		if got["person"] != answer(want) || got["person_source"] != want.Rung || fmt.Sprint(got["gap"]) != fmt.Sprint(orNil(want.Gap)) || got["work_group_name"] != want.WorkGroup {
			t.Errorf("session %s %v: %v, want %s by %s", want.SessionID, want.Cases, got, want.Answer, want.Rung)
		}
		if want.DPUMillis != nil && fmt.Sprint(got["dpu_ms"]) != fmt.Sprint(*want.DPUMillis) {
			t.Errorf("session %s %v: %v DPU milliseconds, want %d", want.SessionID, want.Cases, got["dpu_ms"], *want.DPUMillis)
		}
		if want.CostNano != nil && nano(t, got["cost"]) != *want.CostNano {
			t.Errorf("session %s %v: cost %v, want %d billionths", want.SessionID, want.Cases, got["cost"], *want.CostNano)
		}
		if want.CostNano == nil && want.Gap != "pending" && got["cost"] != nil {
			t.Errorf("session %s %v: cost %v", want.SessionID, want.Cases, got["cost"])
		}
		if fmt.Sprint(got["calculations"]) != fmt.Sprint(len(want.Calculations)) {
			t.Errorf("session %s %v: %v calculations, want %d", want.SessionID, want.Cases, got["calculations"], len(want.Calculations))
		}
		if want.EndedAtMillis != 0 && want.IdleMillis != nil && fmt.Sprint(got["idle_ms"]) != fmt.Sprint(*want.IdleMillis) {
			t.Errorf("session %s %v: idle for %v milliseconds, want %d", want.SessionID, want.Cases, got["idle_ms"], *want.IdleMillis)
		}
		if want.CalculationDPUMillis > 0 && got["cost"] != nil && want.Gap == "" {
			idle := *want.DPUMillis - want.CalculationDPUMillis
			if fmt.Sprint(got["idle_dpu_ms"]) != fmt.Sprint(idle) {
				t.Errorf("session %s %v: %v idle DPU milliseconds, want %d", want.SessionID, want.Cases, got["idle_dpu_ms"], idle)
			}
		}
	}
	if compared < 40 {
		t.Errorf("%d sessions compared", compared)
	}
}

func orNil(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// peopleAgree holds what each person's notebooks cost against the truth: what
// has ended to the billionth, and all of it against the sessions' rows.
func peopleAgree(t *testing.T, lake string, truths []demo.SparkTruth, sessions map[string]row) {
	cost, all, count := map[string]int64{}, map[string]int64{}, map[string]int64{}
	for _, s := range truths {
		got := sessions[s.SessionID]
		if got == nil || s.Gap == "no_event" {
			continue
		}
		who := answer(s)
		count[who]++
		all[who] += nano(t, got["cost"])
		if s.CostNano != nil {
			cost[who] += *s.CostNano
		}
		if s.Gap == "pending" {
			cost[who] += nano(t, got["cost"]) // so far, of which the truth tells nothing
		}
	}
	found := 0
	for _, r := range view(t, lake, "usage", "--by", "person", "--where", "kind=spark") {
		who := r["person"].(string)
		if who == "unknown" {
			continue
		}
		found++
		if n := nano(t, r["cost"]); n != cost[who] || n != all[who] || fmt.Sprint(r["sessions"]) != fmt.Sprint(count[who]) || fmt.Sprint(r["executions"]) != "0" {
			t.Errorf("%s: %v, want %d sessions for %d billionths", who, r, count[who], cost[who])
		}
	}
	if found != len(count) || found < 4 {
		t.Errorf("%d people with notebooks, want %d", found, len(count))
	}
}

// notebookRules are the rules about notebooks, by the demo's names.
var notebookRules = []string{
	demo.FindingIdleSession, demo.FindingForeignAddress, demo.FindingPresignedURL, demo.FindingImportRole,
	demo.FindingForeignNotebook, demo.FindingDeniedCalls, demo.FindingExecutorOutside,
}

// findingsAgree looks for every case that is a finding, and for none that only
// looks like one.
func findingsAgree(t *testing.T, company *demo.Company, got []row) {
	rules := map[string]int{}
	matched := make([]bool, len(got))
	for _, want := range company.SparkFindings() {
		found := false
		for i, r := range got {
			evidence, _ := r["evidence"].(string)
			about := func(id string) bool { return id != "" && strings.Contains(evidence, id) }
			// What a start proves, the session's id proves as well.
			if r["rule"] == want.Finding && (slices.ContainsFunc(want.EventIDs, about) || about(want.SessionID)) {
				found, matched[i] = true, true
			}
		}
		if found != want.Fires {
			t.Errorf("%s of %s (%s, %v): found %t, want %t", want.Finding, want.Person, want.SessionID, want.EventIDs, found, want.Fires)
		}
		if want.Fires {
			rules[want.Finding]++
		}
	}
	for i, r := range got {
		// Other rules are about SQL. A session of Spark 3.5 whose timeout is an
		// hour is idle for an hour.
		if slices.Contains(notebookRules, r["rule"].(string)) && !matched[i] && !(r["rule"] == "idle_session" && strings.Contains(fmt.Sprint(r["what"]), "for 1h 00m until Athena ended it")) {
			t.Errorf("a finding that nobody made: %v", r)
		}
	}
	for _, rule := range notebookRules {
		if rules[rule] == 0 {
			t.Errorf("the demo has no case of %s", rule)
		}
	}
}

// toldCases are the kinds of sessions that who is asked about.
var toldCases = []string{"midnight", "before_the_trail", "unknown_session", "forgotten", "start_late", "running", "spark_connect", "executor_credentials_copied"}

// whoTells asks for sessions and calculations by their ids.
func whoTells(t *testing.T, lake string, truths []demo.SparkTruth) {
	seen := map[string]bool{}
	for _, s := range truths {
		for _, c := range s.Cases {
			if seen[c] || !slices.Contains(toldCases, c) {
				continue
			}
			seen[c] = true
			text := athenatrail(t, "who", "--lake", lake, s.SessionID)
			unseen := s.Gap == "no_event" || slices.Contains(s.Cases, "unknown_session")
			if !unseen && !strings.Contains(text, "  person           "+answer(s)+" (") {
				t.Errorf("who %s (%v) does not name %s:\n%s", s.SessionID, s.Cases, answer(s), text)
			}
			if unseen && strings.Contains(text, s.Person+" (human)") {
				t.Errorf("who %s (%v) knows more than there is to know:\n%s", s.SessionID, s.Cases, text)
			}
			if len(s.Calculations) == 0 {
				continue
			}
			var told struct {
				Kind         string
				Calculations []struct {
					Calculation struct {
						Person  string
						Session string `json:"session_id"`
					}
					Ladder []struct {
						Rung     string
						Answered bool
						Evidence []struct {
							EventName string    `json:"event_name"`
							Time      time.Time `json:"event_time"`
						}
					}
				}
			}
			if err := json.Unmarshal([]byte(athenatrail(t, "who", "--lake", lake, "--output", "json", s.Calculations[0])), &told); err != nil {
				t.Fatal(err)
			}
			if told.Kind != report.WhoCalculation || len(told.Calculations) != 1 || told.Calculations[0].Calculation.Session != s.SessionID || !unseen && told.Calculations[0].Calculation.Person != answer(s) {
				t.Errorf("who %s: %+v, want session %s of %s", s.Calculations[0], told, s.SessionID, answer(s))
				continue
			}
			var proof []string
			for _, step := range told.Calculations[0].Ladder {
				for _, e := range step.Evidence {
					if step.Rung == "notebook_session" {
						proof = append(proof, fmt.Sprint(e.EventName, " ", step.Answered))
					}
				}
			}
			if d := cmp.Diff([]string{"StartSession true"}, proof); !unseen && d != "" {
				t.Errorf("who %s: %s", s.Calculations[0], d)
			}
		}
	}
	if len(seen) != len(toldCases) {
		t.Errorf("cases %v, want all of %v", seen, toldCases)
	}
}
