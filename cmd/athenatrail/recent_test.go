package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
	"github.com/athenatrail/athenatrail/internal/digest/digesttest"
)

// The recent trail is a few starts of some days ago, in two accounts, of which
// Athena's answers are known: what the real program has to be asked with its
// real clock.
const (
	recentAccount = "111122223333"
	otherAccount  = "444455556666"
	recentRegion  = "us-east-1"
	recentKey     = "AKIAEXAMPLEREADER000"
	recentSecret  = "example/secret/of/nobody"

	// recentRole is the role into the other account.
	recentRole = "arn:aws:iam::" + otherAccount + ":role/reader"
)

// recentID is the id of the nth execution.
func recentID(n int) string { return fmt.Sprintf("22222222-3333-4444-8555-6666666666%02d", n) }

// A recentRun is one start, and what Athena says of it.
type recentRun struct {
	account string
	user    string
	state   string // empty: Athena does not know the id
	kind    string // DML, DDL
	bytes   int64
	sql     string
}

// recentRuns are the executions by number, from 1 on. Their costs at the list
// price of us-east-1, 5 USD for a terabyte of 2^40 bytes, are in the stories.
var recentRuns = []recentRun{
	1: {recentAccount, "rosa", "SUCCEEDED", "DML", 1 << 40, "SELECT * FROM orders"},
	2: {recentAccount, "rosa", "FAILED", "DML", 5 << 30, "SELECT custmer_id FROM orders"},
	3: {recentAccount, "ines", "SUCCEEDED", "DDL", 0, "CREATE TABLE t (a int)"},
	4: {recentAccount, "ines", "SUCCEEDED", "DML", 1, "SELECT 1 FROM tiny"},
	5: {recentAccount, "ines", "RUNNING", "DML", 3 << 20, "SELECT * FROM endless"},
	6: {recentAccount, "rosa", "", "", 0, ""},
	7: {otherAccount, "paul", "CANCELLED", "DML", 20<<20 + 1, "SELECT * FROM ledger"},
}

// writeRecent writes the recent trail of a day under dir, as CloudTrail does.
func writeRecent(dir string, day time.Time) error {
	records := map[string][]string{}
	for n, run := range recentRuns {
		if n > 0 {
			records[run.account] = append(records[run.account], recentRecord(day, n, run))
		}
	}
	for account, list := range records {
		at := day.Add(13*time.Hour + 5*time.Minute)
		folder := filepath.Join(dir, "AWSLogs", account, "CloudTrail", recentRegion, at.Format("2006"), at.Format("01"), at.Format("02"))
		if err := os.MkdirAll(folder, 0o777); err != nil {
			return err
		}
		name := fmt.Sprintf("%s_CloudTrail_%s_%s_AAAAAAAAAAAAAAAA.json", account, recentRegion, at.Format("20060102T1504Z"))
		if err := os.WriteFile(filepath.Join(folder, name), []byte(`{"Records":[`+strings.Join(list, ",")+`]}`), 0o666); err != nil {
			return err
		}
	}
	return nil
}

// recentRecord is the event of a start.
func recentRecord(day time.Time, n int, run recentRun) string {
	record := map[string]any{
		"eventVersion": "1.11",
		"userIdentity": map[string]any{
			"type": "IAMUser", "principalId": "AIDA" + run.user, "arn": "arn:aws:iam::" + run.account + ":user/" + run.user,
			"accountId": run.account, "accessKeyId": "AKIA" + run.user, "userName": run.user,
		},
		"eventTime": recentTime(day, n).Format(time.RFC3339), "eventSource": "athena.amazonaws.com", "eventName": "StartQueryExecution",
		"awsRegion": recentRegion, "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.15",
		"requestParameters": map[string]any{"queryString": "***OMITTED***", "workGroup": "analysts", "queryExecutionContext": map[string]any{"database": "sales"}},
		"responseElements":  map[string]any{"queryExecutionId": recentID(n)},
		"eventID":           fmt.Sprintf("ffffffff-0000-4000-8000-%012d", n), "recipientAccountId": run.account, "eventCategory": "Management",
	}
	b, err := json.Marshal(record)
	if err != nil {
		panic(err) // maps of texts
	}
	return string(b)
}

func recentTime(day time.Time, n int) time.Time {
	return day.Add(12*time.Hour + time.Duration(n)*time.Minute)
}

// recentAPI is the Athena API of the recent trail. With finished set, what was
// running has ended.
func recentAPI(day time.Time, finished bool) athenaapitest.Config {
	return athenaapitest.Config{
		Keys: []athenaapitest.Key{{
			ID: recentKey, Secret: recentSecret, Account: recentAccount,
			ARN: "arn:aws:iam::" + recentAccount + ":user/reader", UserID: "AIDAEXAMPLEREADER",
		}},
		Roles: []athenaapitest.Role{{ARN: recentRole, Trusted: []string{recentAccount}}},
		Lookup: func(account, region, id string) (athenaapitest.Execution, bool) {
			for n, run := range recentRuns {
				if n > 0 && run.state != "" && run.account == account && region == recentRegion && recentID(n) == id {
					return recentAnswer(day, n, run, finished), true
				}
			}
			return athenaapitest.Execution{}, false
		},
	}
}

func recentAnswer(day time.Time, n int, run recentRun, finished bool) athenaapitest.Execution {
	bytes, took := run.bytes, int64(2500)
	x := athenaapitest.Execution{
		ID: recentID(n), Query: run.sql, StatementType: run.kind, WorkGroup: "analysts",
		Context:    &athenaapitest.Context{Database: "sales"},
		Status:     athenaapitest.Status{State: run.state, SubmittedAt: athenaapitest.Epoch{Time: recentTime(day, n)}},
		Statistics: &athenaapitest.Statistics{DataScannedBytes: &bytes, TotalMillis: &took},
	}
	if x.Status.State == "RUNNING" && finished {
		x.Status.State = "SUCCEEDED"
	}
	if x.Final() {
		x.Status.CompletedAt = athenaapitest.Epoch{Time: recentTime(day, n).Add(2500 * time.Millisecond)}
	}
	if run.state == "FAILED" {
		x.Status.Reason = "COLUMN_NOT_FOUND: line 1:8: Column 'custmer_id' cannot be resolved"
		x.Status.Error = &athenaapitest.AthenaError{Category: 2, Type: 1306, Message: x.Status.Reason}
	}
	return x
}

// athenaEnv points the SDK at an Athena API of the recent trail.
func athenaEnv(url string) []string {
	return []string{
		"AWS_ENDPOINT_URL_ATHENA=" + url, "AWS_ENDPOINT_URL_STS=" + url, "AWS_REGION=" + recentRegion,
		"AWS_ACCESS_KEY_ID=" + recentKey, "AWS_SECRET_ACCESS_KEY=" + recentSecret,
	}
}

// listRecent makes the API list the executions that it knows, and with more one
// that the trail does not know.
func listRecent(config *athenaapitest.Config, day time.Time, more bool) {
	config.WorkGroups = func(string, string) []athenaapitest.WorkGroup {
		return []athenaapitest.WorkGroup{{Name: "primary"}, {Name: "analysts"}}
	}
	config.List = func(account, region, group string) (ids []string) {
		for n, run := range recentRuns {
			if n > 0 && run.state != "" && run.account == account && region == recentRegion && group == "analysts" {
				ids = append(ids, recentID(n))
			}
		}
		if more && account == recentAccount && group == "primary" {
			ids = append(ids, recentID(99))
		}
		return ids
	}
	known := config.Lookup
	config.Lookup = func(account, region, id string) (athenaapitest.Execution, bool) {
		if more && id == recentID(99) {
			run := recentRuns[1]
			x := recentAnswer(day, 1, run, true)
			x.ID, x.WorkGroup = id, "primary"
			return x, account == recentAccount
		}
		return known(account, region, id)
	}
}

// writeSigned writes a trail of three hours with digest files as a copy of its
// bucket, with the metadata and the public keys.
func writeSigned(dir string) error {
	noon := time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)
	key, err := digesttest.NewKey("0123456789abcdef0123456789abcdef", noon.AddDate(0, -1, 0), noon.AddDate(0, 1, 0))
	if err != nil {
		return err
	}
	trail := &digesttest.Trail{Bucket: "trail-logs", Account: recentAccount, Region: recentRegion, Name: "all", Home: recentRegion, Key: key}
	for h := range 3 {
		end := noon.Add(time.Duration(h) * time.Hour)
		trail.Log(end.Add(-30*time.Minute), "AAAAAAAAAAAAAAAA", `{"Records":[]}`)
		trail.Digest(end)
	}
	files := map[string][]byte{"keys.json": digesttest.KeyFile(key)}
	for name, o := range trail.Objects {
		files[name] = o.Data
		if o.Metadata != nil {
			if files[name+".metadata.json"], err = json.Marshal(map[string]any{"Metadata": o.Metadata}); err != nil {
				return err
			}
		}
	}
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return err
		}
	}
	return nil
}
