package lookup

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudtrail/types"

	"github.com/athenatrail/athenatrail/cloudtrail"
)

const startRecord = `{"eventVersion":"1.08","userIdentity":{"type":"IAMUser","accountId":"111122223333"},"eventTime":"2026-11-03T10:00:00Z",` +
	`"eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution","awsRegion":"eu-west-1","eventID":"e-1"}`

// What is no record costs itself alone, and is counted.
func TestLogFile(t *testing.T) {
	texts := []*string{
		aws.String(startRecord), aws.String("no JSON"), aws.String(startRecord[:100]), aws.String(`]}` + startRecord), nil, aws.String(""),
		aws.String("\"\\\x00\xff</script>"), aws.String("null"), aws.String("[" + startRecord + "]"),
		aws.String("\n " + strings.ReplaceAll(startRecord, "e-1", "e-2") + "\n"), aws.String(strings.Repeat(`{"a":`, 50_000)),
	}
	var events []types.Event
	for _, text := range texts {
		events = append(events, types.Event{CloudTrailEvent: text})
	}
	var kept []string
	tally, err := cloudtrail.NewReader(cloudtrail.DefaultLimits).Read(bytes.NewReader(logFile(events)), func(f *cloudtrail.Facts) error {
		for _, e := range f.Events {
			kept = append(kept, e.ID)
		}
		return nil
	})
	if err != nil || tally.Damage != "" {
		t.Fatal(err, tally.Damage)
	}
	if got := strings.Join(kept, " "); got != "e-1 e-2" {
		t.Errorf("kept %s", got)
	}
	if tally.Undecodable != int64(len(texts)-2) || tally.Candidates != int64(len(texts)) || tally.Kept.Events != 2 {
		t.Errorf("%+v", tally)
	}
}

func TestEmptyLogFile(t *testing.T) {
	tally, err := cloudtrail.NewReader(cloudtrail.DefaultLimits).Read(bytes.NewReader(logFile(nil)), func(*cloudtrail.Facts) error { return nil })
	if err != nil || tally.Damage != "" || !tally.Closed || tally.Candidates != 0 {
		t.Errorf("%+v, %v", tally, err)
	}
}

func FuzzLogFile(f *testing.F) {
	f.Add(startRecord)
	f.Add("{")
	f.Add(`{"Records":[{}]}`)
	f.Fuzz(func(t *testing.T, text string) {
		// Whatever it is, the records around it are read.
		body := logFile([]types.Event{{CloudTrailEvent: aws.String(startRecord)}, {CloudTrailEvent: &text}, {CloudTrailEvent: aws.String(strings.ReplaceAll(startRecord, "e-1", "e-2"))}})
		found := 0
		tally, err := cloudtrail.NewReader(cloudtrail.DefaultLimits).Read(bytes.NewReader(body), func(f *cloudtrail.Facts) error {
			for _, e := range f.Events {
				if e.ID == "e-1" || e.ID == "e-2" {
					found++
				}
			}
			return nil
		})
		if err != nil || tally.Damage != "" || found < 2 {
			t.Errorf("%d found; %+v, %v", found, tally, err)
		}
	})
}
