package collect_test

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/rebuild"
)

// TestNotebooksOfAWSDocumentation collects what AWS's page "Using CloudTrail to
// troubleshoot Athena notebook API calls" shows: the calls of a human are the
// human's, those of the session 9cc1ebb2, whose start the page lacks, are the
// role's with the missing session named, and the human's once it is there.
func TestNotebooksOfAWSDocumentation(t *testing.T) {
	corpus := os.Getenv("ATHENATRAIL_CORPUS")
	if corpus == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set: it names the folder of public records to test with")
	}
	const lost = "9cc1ebb2-aac5-b1ca-8247-5d827bd8232f"
	found := map[string]string{}
	for _, folder := range []string{"docs-athena-user-guide-2023", "docs-athena-user-guide-history"} {
		data, err := os.ReadFile(filepath.Join(corpus, folder, "records.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(data) {
			for _, name := range []string{"StartSession", "TerminateSession", "ImportNotebook", "UpdateNotebook", "StartCalculationExecution"} {
				if strings.Contains(string(line), `"eventName": "`+name+`"`) {
					found[name] = strings.TrimSpace(string(line))
				}
			}
		}
	}
	start := found["StartSession"]
	for _, name := range []string{"StartSession", "TerminateSession", "ImportNotebook", "UpdateNotebook"} {
		if found[name] == "" {
			t.Fatalf("the corpus has no %s: %v", name, found)
		}
	}
	// The page's text of the second executor record is no JSON, so the corpus
	// may lack it; it is the first one's with another call.
	if found["StartCalculationExecution"] == "" {
		found["StartCalculationExecution"] = strings.NewReplacer("UpdateNotebook", "StartCalculationExecution", `"responseElements": null`, `"responseElements": {"calculationExecutionId": "82c1ebba-0000-0000-0000-000000000001"}`,
			"745cdd6f-645d-4250-8831-d0ffd2fe3847", "745cdd6f-0000-4000-8000-000000000002").Replace(found["UpdateNotebook"])
	}
	var records []string
	for _, r := range found {
		records = append(records, r)
	}
	trail, store := t.TempDir(), openDir(t, t.TempDir())
	writeFiles(t, trail, [][]string{records})
	check := func(executor string) {
		t.Helper()
		if _, err := runWith(t, store, trail, nil, nil); err != nil {
			t.Fatal(err)
		}
		l, err := lake.Open(t.Context(), store)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]string{}
		for file, err := range lake.Partitions(t.Context(), l, lake.Activity, 0, 0) {
			if err != nil {
				t.Fatal(err)
			}
			for a, err := range lake.ReadTable(t.Context(), l, lake.Activity, file.Partition) {
				if err != nil {
					t.Fatal(err)
				}
				if a.EventID == "added" {
					continue
				}
				got[a.EventName] = a.Person + " " + a.PersonSource
				if a.EventName != "UpdateNotebook" && a.EventName != "StartCalculationExecution" {
					continue
				}
				b := rebuild.Builder{Lake: l, Settings: settings(t)}
				_, steps, _, err := b.Explain(t.Context(), file.Partition, func(e *athenatrail.Event) bool { return e.ID == a.EventID })
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range steps {
					if s.Rung == athenatrail.SourceNotebookSession && !strings.Contains(s.Why, lost) {
						t.Errorf("%s: the session is not named: %s", a.EventName, s.Why)
					}
				}
			}
		}
		for name, want := range map[string]string{"StartSession": "alias", "TerminateSession": "alias", "ImportNotebook": "alias"} {
			if person, _, _ := strings.Cut(got[name], " "); person != want {
				t.Errorf("%s: %q", name, got[name])
			}
		}
		for _, name := range []string{"UpdateNotebook", "StartCalculationExecution"} {
			if got[name] != executor {
				t.Errorf("%s: %q, want %q", name, got[name], executor)
			}
		}
	}
	check("AWSAthenaSparkExecutionRole-om0yj71w5l role")
	added := strings.NewReplacer("a2c1ebba-ad01-865f-ed2d-a142b7451f7e", lost, "b58ce998-eb89-43e9-8d67-d3d8e30561c9", "added").Replace(start)
	// It began when the executor's role session did, before what that called.
	created := regexp.MustCompile(`"creationDate": "([^"]*)"`).FindStringSubmatch(found["UpdateNotebook"])
	if created == nil {
		t.Fatal("the executor's record has no creationDate")
	}
	added = regexp.MustCompile(`"eventTime": "[^"]*"`).ReplaceAllString(added, `"eventTime": "`+created[1]+`"`)
	writeFiles(t, trail, [][]string{records, {added}})
	check("alias notebook_session")
}
