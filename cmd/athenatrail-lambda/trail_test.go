package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/athenaapi/athenaapitest"
)

// The trail of these tests is a day of three days ago, so that Athena would
// still know its executions: two accounts, a few starts an hour, some denied,
// some delivered late.
const (
	firstAccount  = "111122223333"
	secondAccount = "444455556666"
	trailRegion   = "us-east-1"
)

// A start is one call of StartQueryExecution.
type call struct {
	account, user string
	at            time.Time
	denied        bool
	late          time.Duration // how long after the call its record was delivered
	runs          bool          // for hours
}

func id(n int) string { return fmt.Sprintf("33333333-4444-4555-8666-%012d", n) }

// starts are the calls from day on, and a few of the hours before and after.
func startsOf(day time.Time) (all []call) {
	for hour := -2; hour < 27; hour++ {
		for n := range 3 {
			s := call{account: firstAccount, user: []string{"rosa", "ines", "paul"}[n], at: day.Add(time.Duration(hour)*time.Hour + time.Duration(17*n+2)*time.Minute), late: 6 * time.Minute}
			if n == 2 {
				s.account = secondAccount
			}
			s.denied = n == 1 && hour%6 == 0
			if n == 0 && hour == 5 {
				s.late = 9 * time.Hour
			}
			all = append(all, s)
		}
	}
	// On the edges of the day, and of an hour.
	for _, at := range []time.Duration{0, 3 * time.Hour, 24*time.Hour - time.Second, 24 * time.Hour} {
		all = append(all, call{account: firstAccount, user: "edge", at: day.Add(at), late: 4 * time.Minute})
	}
	return all
}

// trailOf returns the log files of the starts, by key.
func trailOf(t testing.TB, starts []call) map[string][]byte {
	t.Helper()
	type file struct {
		account string
		at      time.Time
	}
	records := map[file][]any{}
	for n, s := range starts {
		f := file{s.account, s.at.Add(s.late).UTC().Truncate(5 * time.Minute)}
		records[f] = append(records[f], record(n, s))
	}
	files := map[string][]byte{}
	for f, list := range records {
		data, err := json.Marshal(map[string]any{"Records": list})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write(data)
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		key := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%[1]s_CloudTrail_%[2]s_%[4]s_AAAAAAAAAAAAAAAA.json.gz",
			f.account, trailRegion, f.at.Format("2006/01/02"), f.at.Format("20060102T1504Z"))
		files[key] = b.Bytes()
	}
	return files
}

func record(n int, s call) map[string]any {
	r := map[string]any{
		"eventVersion": "1.11",
		"userIdentity": map[string]any{
			"type": "IAMUser", "principalId": "AIDA" + strings.ToUpper(s.user), "arn": "arn:aws:iam::" + s.account + ":user/" + s.user,
			"accountId": s.account, "accessKeyId": "AKIA" + s.user, "userName": s.user,
		},
		"eventTime": s.at.UTC().Format(time.RFC3339), "eventSource": "athena.amazonaws.com", "eventName": "StartQueryExecution",
		"awsRegion": trailRegion, "sourceIPAddress": "203.0.113.7", "userAgent": "aws-cli/2.15",
		"requestParameters": map[string]any{"queryString": "***OMITTED***", "workGroup": "analysts", "queryExecutionContext": map[string]any{"database": "sales"}},
		"responseElements":  map[string]any{"queryExecutionId": id(n)},
		"eventID":           fmt.Sprintf("ffffffff-0000-4000-8000-%012d", n), "recipientAccountId": s.account, "eventCategory": "Management",
	}
	if s.denied {
		r["responseElements"] = nil
		r["errorCode"], r["errorMessage"] = "AccessDenied", "User is not authorized to perform: athena:StartQueryExecution"
	}
	return r
}

// athenaOf is an Athena API that knows the starts, of both accounts.
func athenaOf(t testing.TB, starts []call, key, secret string) *athenaapitest.Server {
	t.Helper()
	s, err := athenaapitest.Start(athenaapitest.Config{
		Keys:  []athenaapitest.Key{{ID: key, Secret: secret, Account: firstAccount, ARN: "arn:aws:iam::" + firstAccount + ":user/collector", UserID: "AIDAEXAMPLECOLLECTOR"}},
		Roles: []athenaapitest.Role{{ARN: "arn:aws:iam::" + secondAccount + ":role/athenatrail-reader", Trusted: []string{firstAccount}}},
		Lookup: func(account, region, want string) (athenaapitest.Execution, bool) {
			for n, s := range starts {
				if s.account != account || region != trailRegion || s.denied || id(n) != want {
					continue
				}
				scanned, took := int64(n)*7_000_000, int64(1500+n)
				if s.runs {
					took = (5 * time.Hour).Milliseconds()
				}
				return athenaapitest.Execution{
					ID: want, Query: fmt.Sprintf("SELECT %d, '=1+1' FROM orders", n), StatementType: "DML", WorkGroup: "analysts",
					Context: &athenaapitest.Context{Database: "sales"},
					Status: athenaapitest.Status{State: "SUCCEEDED", SubmittedAt: athenaapitest.Epoch{Time: s.at},
						CompletedAt: athenaapitest.Epoch{Time: s.at.Add(time.Duration(took) * time.Millisecond)}},
					Statistics: &athenaapitest.Statistics{DataScannedBytes: &scanned, TotalMillis: &took},
				}, true
			}
			return athenaapitest.Execution{}, false
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
