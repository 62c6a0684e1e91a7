package source

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// The forms of messages, as AWS's guides show them, with a key that is spelled
// differently in each: it has a blank, a plus, a percent sign and an umlaut.
const (
	oddKey = tree + "eu-west-1/2026/11/03/100% of+a ü.json.gz"

	s3Message = `{"Records":[{"eventVersion":"2.1","eventSource":"aws:s3","awsRegion":"eu-west-1","eventTime":"2026-11-03T12:00:00.000Z",
		"eventName":"ObjectCreated:Put","userIdentity":{"principalId":"A"},"requestParameters":{"sourceIPAddress":"192.0.2.1"},
		"s3":{"s3SchemaVersion":"1.0","configurationId":"c","bucket":{"name":"trail-logs","ownerIdentity":{"principalId":"A"},"arn":"arn:aws:s3:::trail-logs"},
		"object":{"key":"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/100%25+of%2Ba+%C3%BC.json.gz","size":1024,"eTag":"d41d8cd98f00b204e9800998ecf8427e","versionId":"v","sequencer":"0A1B2C3D4E5F678901"}}}]}`
	testMessage        = `{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-03T12:00:00.000Z","Bucket":"trail-logs","RequestId":"R","HostId":"H"}`
	eventBridgeMessage = `{"version":"0","id":"17793124-05d4-b198-2fde-7ededc63b103","detail-type":"Object Created","source":"aws.s3","account":"111122223333",
		"time":"2026-11-03T12:00:00Z","region":"eu-west-1","resources":["arn:aws:s3:::trail-logs"],"detail":{"version":"0","bucket":{"name":"trail-logs"},
		"object":{"key":"AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/100% of+a ü.json.gz","size":1024,"etag":"d41d8cd98f00b204e9800998ecf8427e","sequencer":"0A1B2C3D4E5F678901"},
		"request-id":"R","requester":"cloudtrail.amazonaws.com","reason":"PutObject"}}`
	trailMessage = `{"s3Bucket":"trail-logs","s3ObjectKey":["AWSLogs/111122223333/CloudTrail/eu-west-1/2026/11/03/100% of+a ü.json.gz"]}`
	stateMessage = `{"version":"0","id":"abcdef00-1234-5678-9abc-def012345678","detail-type":"Athena Query State Change","source":"aws.athena",
		"account":"123456789012","time":"2026-11-03T12:00:10Z","region":"us-east-1","resources":[],"detail":{"versionId":"0","currentState":"SUCCEEDED",
		"previousState":"RUNNING","statementType":"DML","queryExecutionId":"01234567-0123-0123-0123-012345678901","workgroupName":"primary","sequenceNumber":"3"}}`
)

// inSNS is a message as SNS sends it to a queue without raw delivery.
func inSNS(message string) string {
	text, _ := json.Marshal(message)
	return `{"Type":"Notification","MessageId":"22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324","TopicArn":"arn:aws:sns:eu-west-1:111122223333:trail","Subject":"Amazon S3 Notification","Message":` +
		string(text) + `,"Timestamp":"2026-11-03T12:00:01.000Z","SignatureVersion":"1","Signature":"S","SigningCertURL":"U","UnsubscribeURL":"U"}`
}

func TestMessageForms(t *testing.T) {
	told := announcement{objects: []announced{{"trail-logs", oddKey, `"d41d8cd98f00b204e9800998ecf8427e"`, 1024}}}
	untold := announcement{objects: []announced{{"trail-logs", oddKey, "", -1}}}
	change := announcement{triggers: []Trigger{{"123456789012", "us-east-1", "01234567-0123-0123-0123-012345678901", time.Date(2026, 11, 3, 12, 0, 10, 0, time.UTC)}}}
	nothing := announcement{}
	two := announcement{objects: []announced{{"trail-logs", "a.json", "", -1}, {"trail-logs", "b.json", `"x-2"`, 0}}}
	for name, tt := range map[string]struct {
		body string
		want announcement
	}{
		"S3":                      {s3Message, told},
		"S3 by EventBridge":       {eventBridgeMessage, told},
		"CloudTrail":              {trailMessage, untold},
		"state of an execution":   {stateMessage, change},
		"test of S3":              {testMessage, nothing},
		"test of CloudTrail":      {"CloudTrail validation message.", nothing},
		"removal":                 {strings.Replace(s3Message, "ObjectCreated:Put", "ObjectRemoved:Delete", 1), nothing},
		"removal by EventBridge":  {strings.Replace(eventBridgeMessage, "Object Created", "Object Deleted", 1), nothing},
		"another event of Athena": {strings.Replace(stateMessage, "Query State", "Engine Version", 1), nothing},
		"a server like S3":        {strings.NewReplacer(`"aws:s3"`, `"minio:s3"`, `"ObjectCreated:Put"`, `"s3:ObjectCreated:Put"`).Replace(s3Message), told},
		"several records": {`{"Records":[
			{"eventSource":"aws:s3","eventName":"ObjectCreated:Copy","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"a.json","size":-1,"eTag":"\" \""}}},
			{"eventSource":"aws:s3","eventName":"ObjectTagging:Put","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"t.json"}}},
			{"eventSource":"aws:s3","eventName":"ObjectCreated:CompleteMultipartUpload","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"b.json","size":0,"eTag":"\"x-2\""}}}]}`, two},
		"several keys":  {`{"s3Bucket":"trail-logs","s3ObjectKey":["a.json","b.json"]}`, announcement{objects: []announced{{"trail-logs", "a.json", "", -1}, {"trail-logs", "b.json", "", -1}}}},
		"no records":    {`{"Records":[]}`, nothing},
		"time a number": {strings.Replace(eventBridgeMessage, `"2026-11-03T12:00:00Z"`, "1793707200.5", 1), told}, // as moto has it
	} {
		for wrap, body := range map[string]string{"": tt.body, " in SNS": inSNS(tt.body), " in SNS twice": inSNS(inSNS(tt.body))} {
			got, err := parseMessage(body)
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(announcement{}, announced{})); diff != "" || err != nil {
				t.Errorf("%s%s: %v (-want +got):\n%s", name, wrap, err, diff)
			}
		}
	}
}

// unreadable are bodies that say nothing, and what is said of them.
var unreadable = map[string]string{
	"":           "not a JSON object",
	"hello":      "not a JSON object",
	"null":       "not a JSON object",
	"[]":         "not a JSON object",
	`{} {}`:      "not a JSON object",
	`{}`:         "neither of S3",
	`{"a":1}`:    "neither of S3",
	`{"Type":1}`: "neither of S3",
	`{"Type":"SubscriptionConfirmation","TopicArn":"arn:aws:sns:eu-west-1:111122223333:trail","Message":"You have chosen","SubscribeURL":"https://example.com"}`: `confirm a subscription of "arn:aws:sns:eu-west-1:111122223333:trail"`,
	`{"Type":"Notification","Message":{"a":1}}`: "not a JSON object",
	`{"Records":{}}`:  "Records is no list",
	`{"Records":[1]}`: "no notification of S3",
	`{"Records":[{"eventVersion":"1.09","eventSource":"athena.amazonaws.com","eventName":"StartQueryExecution"}]}`:                                 "no notification of S3",
	`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"%zz"}}}]}`:          "not encoded",
	`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"a","size":"1"}}}]}`: "no notification of S3",
	`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"../etc"},"object":{"key":"a"}}}]}`:                `bucket "../etc"`,
	`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"a%0Ab"}}}]}`:        `key "a b"`,
	`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"a%FFb"}}}]}`:        `key "a b"`,
	`{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put"}]}`:                                                                       `bucket ""`,
	`{"s3Bucket":"trail-logs","s3ObjectKey":"a"}`:                                   "no list of texts",
	`{"s3Bucket":"trail-logs","s3ObjectKey":[""]}`:                                  `key ""`,
	`{"s3Bucket":["trail-logs"],"s3ObjectKey":["a"]}`:                               `bucket ""`,
	`{"detail-type":"Scheduled Event","source":"aws.events","detail":{}}`:           `an event "Scheduled Event" of "aws.events"`,
	`{"detail-type":"Object Created","source":"aws.s3"}`:                            "without its detail",
	`{"detail-type":"Athena Query State Change","source":"aws.athena","detail":[]}`: "without its detail",
}

func TestMessagesThatSayNothing(t *testing.T) {
	bad := map[string]string{
		strings.Repeat(" ", maxMessage) + "{}":                                                      "more than SQS takes",
		`{"Records":[` + strings.TrimSuffix(strings.Repeat("{},", maxAnnounced+1), ",") + `]}`:      "more than 1000",
		`{"s3ObjectKey":[` + strings.TrimSuffix(strings.Repeat(`"a",`, maxAnnounced+1), ",") + `]}`: "more than 1000",
		`{"s3Bucket":"trail-logs","s3ObjectKey":["` + strings.Repeat("k", maxKey+1) + `"]}`:         `kkk"...`,
		inSNS(inSNS(inSNS(trailMessage))):                                                           "again and again",
	}
	for body, want := range unreadable {
		bad[body] = want
	}
	for _, part := range []string{`"account":"123456789012"`, `"region":"us-east-1"`, `"time":"2026-11-03T12:00:10Z"`, `"queryExecutionId":"01234567-0123-0123-0123-012345678901"`} {
		name, _, _ := strings.Cut(part, ":")
		bad[strings.Replace(stateMessage, part, name+`:"../x"`, 1)] = "does not tell"
	}
	for body, want := range bad {
		got, err := parseMessage(body)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %+v, %v, want %s", excerpt(body), got, err, want)
		}
	}
}

func TestExcerpt(t *testing.T) {
	for in, want := range map[string]string{
		"":                            `""`,
		"a\x1b[31m\nb\u202e\xff":      `"a [31m b  "`,
		`say "no"`:                    `"say 'no'"`,
		strings.Repeat("ü", 61):       `"` + strings.Repeat("ü", 60) + `"...`,
		"a" + strings.Repeat("ü", 60): `"a` + strings.Repeat("ü", 59) + ` "...`,
	} {
		if got := excerpt(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestStateChangesOfTheCorpus reads public events of Athena.
func TestStateChangesOfTheCorpus(t *testing.T) {
	folder := os.Getenv("ATHENATRAIL_CORPUS")
	if folder == "" {
		t.Skip("ATHENATRAIL_CORPUS is not set")
	}
	file, err := os.Open(filepath.Join(folder, "state-change.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines := 0
	for scanner := bufio.NewScanner(file); scanner.Scan(); lines++ {
		var event struct {
			Account, Region string
			Time            time.Time
			Detail          struct{ QueryExecutionID string }
		}
		if err := json.Unmarshal(scanner.Bytes(), &event); err != nil {
			t.Fatal(err)
		}
		want := []Trigger{{event.Account, event.Region, event.Detail.QueryExecutionID, event.Time}}
		if got, err := parseMessage(scanner.Text()); err != nil || !slices.Equal(got.triggers, want) || len(got.objects) > 0 {
			t.Errorf("line %d: %+v, %v, want %+v", lines+1, got, err, want)
		}
	}
	if lines < 6 {
		t.Errorf("%d lines", lines)
	}
}

// FuzzMessage: whatever a message is, what is taken of it is bounded, has the
// forms that S3 and Athena have, and is announced the same way by a message of
// another form.
func FuzzMessage(f *testing.F) {
	for _, body := range []string{s3Message, testMessage, eventBridgeMessage, trailMessage, stateMessage, "CloudTrail validation message."} {
		f.Add(body)
		f.Add(inSNS(body))
	}
	for body := range unreadable {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		a, err := parseMessage(body)
		if err != nil {
			if text := err.Error(); len(text) > 1000 || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
				t.Errorf("error %q", text)
			}
			return
		}
		if len(a.objects) > maxAnnounced || len(a.triggers) > 1 {
			t.Fatalf("%d objects, %d triggers", len(a.objects), len(a.triggers))
		}
		for _, o := range a.objects {
			if !bucketForm.MatchString(o.bucket) || o.key == "" || len(o.key) > maxKey || !utf8.ValidString(o.key) || o.size < -1 {
				t.Errorf("object %+v", o)
			}
			if o.etag != "" && !(len(o.etag) > 2 && o.etag[0] == '"' && !strings.Contains(strings.Trim(o.etag, `"`), `"`)) {
				t.Errorf("ETag %s", o.etag)
			}
			key, _ := json.Marshal(o.key)
			again, err := parseMessage(`{"source":"aws.s3","detail-type":"Object Created","detail":{"bucket":{"name":"` + o.bucket +
				`"},"object":{"key":` + string(key) + `,"size":` + strconv.FormatInt(o.size, 10) + `,"etag":"` + strings.Trim(o.etag, `"`) + `"}}}`)
			if err != nil || !slices.Equal(again.objects, []announced{o}) {
				t.Errorf("%+v comes back as %+v, %v", o, again, err)
			}
		}
		for _, tr := range a.triggers {
			if !accountForm.MatchString(tr.Account) || !regionForm.MatchString(tr.Region) || tr.QueryExecutionID == "" || tr.At.Location() != time.UTC {
				t.Errorf("trigger %+v", tr)
			}
		}
	})
}
