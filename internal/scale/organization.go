package scale

import (
	"fmt"
	"strings"
	"time"
)

// An Organization is one whose trail is collected. Every account has the same.
type Organization struct {
	Accounts int
	Quiet    int // regions of an account with a folder and no calls of Athena
	Active   int // regions with such calls
	Starts   int // statements an account and day, over its active regions
	Files    int // log files an account and hour, over all its regions
	FileSize int // bytes of a log file, as gzip

	ByAccount bool // units are days of accounts, and not hours of all
}

// day is the day that is collected.
var day = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

func accountID(n int) string { return fmt.Sprintf("%012d", 111122220000+n) }

func (o Organization) regions() (all []string) {
	for _, area := range []string{"us-east", "us-west", "eu-west", "eu-central", "ap-south", "ap-northeast"} {
		for i := 1; i <= 3 && len(all) < o.Active+o.Quiet; i++ {
			all = append(all, fmt.Sprintf("%s-%d", area, i))
		}
	}
	return all
}

// logFiles are those of a day and the first hour of the next. Where Athena is
// called, a region has most of an account's files; statements are spread evenly
// over the hours, each with two calls that look after it.
func (o Organization) logFiles() map[string]object {
	files := map[string]object{}
	for account := range o.Accounts {
		id := accountID(account)
		for r, region := range o.regions() {
			inHour := 1
			if r < o.Active {
				inHour = (o.Files - o.Quiet) / o.Active
			}
			for n := range inHour * 25 {
				at := day.Add(time.Duration(n) * time.Hour / time.Duration(inHour)).Add(2 * time.Minute)
				var records []string
				if r < o.Active && at.Before(day.AddDate(0, 0, 1)) {
					records = o.records(id, region, r, n, inHour*24, at.Add(-time.Minute))
				}
				if len(records) == 0 {
					records = []string{record(id, region, "", "ec2.amazonaws.com", "DescribeInstances", fmt.Sprint("other-", n), at, "null")}
				}
				key := fmt.Sprintf("AWSLogs/%s/CloudTrail/%s/%s/%s_CloudTrail_%s_%s_%016x.json.gz",
					id, region, at.Format("2006/01/02"), id, region, at.Format("20060102T1504Z"), n)
				f := newObject([]byte(`{"Records":[` + strings.Join(records, ",") + `]}`))
				f.size = int64(o.FileSize)
				files[key] = f
			}
		}
	}
	return files
}

// records are those of the nth of so many files of a region.
func (o Organization) records(account, region string, r, n, files int, at time.Time) (all []string) {
	inRegion := o.Starts / o.Active
	key := fmt.Sprintf("ASIA%s%02d%02d", account, r, n*24/files)
	if n*24%files == 0 {
		// The credentials of the hour, by which the callers are known.
		all = append(all, fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"IAMUser","principalId":"AIDA","arn":"arn:aws:iam::%[1]s:user/rosa","accountId":%[1]q,"userName":"rosa"},"eventTime":%[2]q,`+
			`"eventSource":"sts.amazonaws.com","eventName":"AssumeRole","awsRegion":%[3]q,"requestParameters":{"roleArn":"arn:aws:iam::%[1]s:role/analyst","roleSessionName":"rosa"},`+
			`"responseElements":{"credentials":{"accessKeyId":%[4]q}},"eventID":"issue-%[4]s","recipientAccountId":%[1]q}`, account, at.Add(-time.Minute).Format(time.RFC3339), region, key))
	}
	for s := n * inRegion / files; s < (n+1)*inRegion/files; s++ {
		id := fmt.Sprintf("%s-%04x-4000-8000-%012d", account[4:], r, s)
		for i, call := range []string{"StartQueryExecution", "GetQueryExecution", "GetQueryResults"} {
			answer := "null"
			if i == 0 {
				answer = `{"queryExecutionId":"` + id + `"}`
			}
			all = append(all, record(account, region, key, "athena.amazonaws.com", call, fmt.Sprint(call, "-", id), at, answer))
		}
	}
	return all
}

func record(account, region, key, service, call, id string, at time.Time, answer string) string {
	return fmt.Sprintf(`{"eventVersion":"1.11","userIdentity":{"type":"AssumedRole","principalId":"AROA:rosa","arn":"arn:aws:sts::%[1]s:assumed-role/analyst/rosa","accountId":%[1]q,"accessKeyId":%[8]q},"eventTime":%[2]q,`+
		`"eventSource":%[3]q,"eventName":%[4]q,"awsRegion":%[5]q,"sourceIPAddress":"203.0.113.7","userAgent":"aws-cli/2","requestParameters":{"workGroup":"primary"},"responseElements":%[6]s,"eventID":%[7]q,"recipientAccountId":%[1]q}`,
		account, at.Format(time.RFC3339), service, call, region, answer, id, key)
}
