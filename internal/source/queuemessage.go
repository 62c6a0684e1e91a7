package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

const (
	// maxMessage is the longest body that SQS takes, in bytes (SQS quotas).
	maxMessage = 1 << 20

	// maxAnnounced bounds the objects of one message. S3 names one, CloudTrail
	// a few.
	maxAnnounced = 1000

	// maxKey is the longest key of S3, in bytes.
	maxKey = 1024

	// maxWrappings is how deep a notification may lie in messages of SNS.
	maxWrappings = 3
)

// An announcement is what a message of a queue says.
type announcement struct {
	objects  []announced
	triggers []Trigger
}

// An announced object is a log file as a message names it.
type announced struct {
	bucket, key string
	etag        string // in quotes, as S3's listings have it; empty: not told
	size        int64  // -1: not told
}

func (a announced) url() string { return "s3://" + a.bucket + "/" + a.key }

// parseMessage reads the body of a message, in each of the forms by which AWS
// announces log files:
//
//	{"Records":[{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{...}}]}    S3, keys as in a query string
//	{"source":"aws.s3","detail-type":"Object Created","detail":{...}}                    EventBridge, keys as they are
//	{"s3Bucket":"...","s3ObjectKey":["..."]}                                             CloudTrail, keys as they are
//	{"source":"aws.athena","detail-type":"Athena Query State Change","detail":{...}}     EventBridge, a trigger
//	{"Type":"Notification","Message":"..."}                                              SNS around one of them
//
// What AWS sends to try a queue, and what these services tell beside, announces
// nothing. Sources: S3 User Guide, "Event message structure" and "EventBridge
// event message structure"; CloudTrail User Guide, "Configuring Amazon SNS
// notifications"; SNS Developer Guide, "Raw message delivery".
func parseMessage(body string) (announcement, error) {
	if len(body) > maxMessage {
		return announcement{}, fmt.Errorf("%d bytes, which is more than SQS takes", len(body))
	}
	for range maxWrappings {
		// CloudTrail says so to a topic that it is given.
		if strings.HasPrefix(body, "CloudTrail validation message") {
			return announcement{}, nil
		}
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &fields); err != nil || fields == nil {
			return announcement{}, errors.New("not a JSON object")
		}
		kind := textOf(fields["Type"])
		switch {
		case kind == "SubscriptionConfirmation", kind == "UnsubscribeConfirmation":
			return announcement{}, fmt.Errorf("SNS asks to confirm a subscription of %s", excerpt(textOf(fields["TopicArn"])))
		case kind == "Notification" && fields["Message"] != nil:
			body = textOf(fields["Message"])
		case fields["Records"] != nil:
			return fromRecords(fields["Records"])
		case fields["s3ObjectKey"] != nil:
			return fromTrail(fields)
		case fields["detail-type"] != nil:
			return fromEventBridge(fields)
		case textOf(fields["Event"]) == "s3:TestEvent":
			return announcement{}, nil
		default:
			return announcement{}, errors.New("neither of S3, CloudTrail, EventBridge nor SNS")
		}
	}
	return announcement{}, errors.New("wrapped by SNS again and again")
}

// textOf returns a JSON text, or "" for anything else.
func textOf(raw json.RawMessage) (s string) {
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

var (
	notifierForm = regexp.MustCompile(`^[a-z]{1,20}:s3$`) // aws:s3, and servers that speak like S3
	etagForm     = regexp.MustCompile(`^"?([A-Za-z0-9._-]{1,100})"?$`)
	idForm       = regexp.MustCompile(`^[A-Za-z0-9-]{1,128}$`)
)

func fromRecords(raw json.RawMessage) (a announcement, err error) {
	var records []json.RawMessage
	if err := json.Unmarshal(raw, &records); err != nil {
		return a, errors.New("the field Records is no list")
	}
	if len(records) > maxAnnounced {
		return a, fmt.Errorf("%d records, more than %d", len(records), maxAnnounced)
	}
	for _, raw := range records {
		var record struct {
			EventSource, EventName string
			S3                     struct{ Bucket, Object namedInS3 }
		}
		if err := json.Unmarshal(raw, &record); err != nil || !notifierForm.MatchString(record.EventSource) {
			return a, errors.New("a record is no notification of S3")
		}
		if !strings.HasPrefix(strings.TrimPrefix(record.EventName, "s3:"), "ObjectCreated:") {
			continue // such as ObjectRemoved
		}
		object := record.S3.Object
		if object.Key, err = url.QueryUnescape(object.Key); err != nil {
			return a, errors.New("a record's key is not encoded as in a URL")
		}
		if err := a.add(record.S3.Bucket.Name, object); err != nil {
			return a, err
		}
	}
	return a, nil
}

// namedInS3 is a bucket or an object in an event of S3. EventBridge spells
// etag, notifications eTag; json takes both.
type namedInS3 struct {
	Name, Key, ETag string
	Size            *int64
}

func (a *announcement) add(bucket string, o namedInS3) error {
	switch {
	case !bucketForm.MatchString(bucket):
		return fmt.Errorf("bucket %s", excerpt(bucket))
	case o.Key == "", len(o.Key) > maxKey, !utf8.ValidString(o.Key), strings.ContainsFunc(o.Key, unicode.IsControl):
		return fmt.Errorf("key %s", excerpt(o.Key))
	}
	object := announced{bucket: bucket, key: o.Key, size: -1}
	if m := etagForm.FindStringSubmatch(o.ETag); m != nil {
		object.etag = `"` + m[1] + `"`
	}
	if o.Size != nil && *o.Size >= 0 {
		object.size = *o.Size
	}
	a.objects = append(a.objects, object)
	return nil
}

func fromTrail(fields map[string]json.RawMessage) (a announcement, err error) {
	var keys []string
	if err := json.Unmarshal(fields["s3ObjectKey"], &keys); err != nil {
		return a, errors.New("s3ObjectKey is no list of texts")
	}
	if len(keys) > maxAnnounced {
		return a, fmt.Errorf("%d keys, more than %d", len(keys), maxAnnounced)
	}
	for _, key := range keys {
		if err := a.add(textOf(fields["s3Bucket"]), namedInS3{Key: key}); err != nil {
			return a, err
		}
	}
	return a, nil
}

func fromEventBridge(fields map[string]json.RawMessage) (a announcement, err error) {
	kind := textOf(fields["detail-type"])
	switch source := textOf(fields["source"]); {
	case source == "aws.s3" && kind == "Object Created":
		var detail struct{ Bucket, Object namedInS3 }
		if err := json.Unmarshal(fields["detail"], &detail); err != nil {
			return a, errors.New("an event of S3 without its detail")
		}
		return a, a.add(detail.Bucket.Name, detail.Object)
	case source == "aws.athena" && kind == "Athena Query State Change":
		var detail struct{ QueryExecutionID string }
		if err := json.Unmarshal(fields["detail"], &detail); err != nil {
			return a, errors.New("an event of Athena without its detail")
		}
		t := Trigger{Account: textOf(fields["account"]), Region: textOf(fields["region"]), QueryExecutionID: detail.QueryExecutionID}
		t.At, err = time.Parse(time.RFC3339, textOf(fields["time"]))
		t.At = t.At.UTC()
		if err != nil || !accountForm.MatchString(t.Account) || !regionForm.MatchString(t.Region) || !idForm.MatchString(t.QueryExecutionID) {
			return a, errors.New("an event of Athena that does not tell account, region, time and execution")
		}
		a.triggers = append(a.triggers, t)
		return a, nil
	case source == "aws.s3", source == "aws.athena":
		// What became of an object later, and calls that the trail has too.
		return a, nil
	default:
		return a, fmt.Errorf("an event %s of %s", excerpt(kind), excerpt(source))
	}
}

// excerpt returns the beginning of a text from outside, on one line and in
// quotes.
func excerpt(s string) string {
	const most = 120
	end := ""
	if len(s) > most {
		s, end = s[:most], "..."
	}
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	return `"` + strings.ReplaceAll(s, `"`, `'`) + `"` + end
}
