package source

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// A fakeSQS is one queue in memory, in the place of the network. What a real
// server does is tested with mototest; this one is for what none can be made to
// do: to pass hours, to fail in part, and to lose what it promised.
type fakeSQS struct {
	mu       sync.Mutex
	messages []*fakeMessage
	sent     int
	hosts    []string // of the calls
	scopes   []string // of their signatures
	deletes  [][]string
	visible  []time.Duration // asked for by ChangeMessageVisibilityBatch

	// fail may answer in the queue's place: it returns a status, or 0.
	fail func(operation string, n int) (status int, body string)
	n    map[string]int

	// refuse may refuse an entry of a batch: code, and whose fault it is.
	refuse func(operation, id string) (code string, sender bool)
}

type fakeMessage struct {
	id, body, receipt string
	visibleAt         time.Time
	receives          int
}

func (f *fakeSQS) send(bodies ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, body := range bodies {
		f.sent++
		f.messages = append(f.messages, &fakeMessage{id: fmt.Sprintf("m%d", f.sent), body: body})
	}
}

// client has the region and endpoint of a program whose queue is elsewhere.
func (f *fakeSQS) client(context.Context) (*sqs.Client, error) {
	return sqs.New(sqs.Options{
		Region: "us-east-1", HTTPClient: f, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	}), nil
}

const fakeQueueURL = "https://sqs.eu-west-1.amazonaws.com/111122223333/trail-files"

// source returns the queue as a source, whose objects lie nowhere.
func (f *fakeSQS) source(t testing.TB, ctx context.Context, change func(*Deps)) *queue {
	t.Helper()
	d := Deps{SQS: f.client, S3: func(context.Context) (*s3.Client, error) { return nil, fmt.Errorf("no S3") }}
	if change != nil {
		change(&d)
	}
	s, err := Parse(ctx, "sqs:"+fakeQueueURL, d)
	if err != nil {
		t.Fatal(err)
	}
	return s.(*queue)
}

// left returns how many messages are in the queue, and how many of them
// somebody may receive now.
func (f *fakeSQS) left() (all, visible int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if !m.visibleAt.After(time.Now()) {
			visible++
		}
	}
	return len(f.messages), visible
}

func (f *fakeSQS) calls(operation string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.n[operation]
}

func (f *fakeSQS) Do(r *http.Request) (*http.Response, error) {
	_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.n == nil {
		f.n = map[string]int{}
	}
	f.n[operation]++
	n := f.n[operation]
	f.hosts = append(f.hosts, r.URL.Scheme+"://"+r.URL.Host)
	_, scope, _ := strings.Cut(r.Header.Get("Authorization"), "AKIDEXAMPLE/")
	scope, _, _ = strings.Cut(scope, ",")
	f.scopes = append(f.scopes, scope[min(9, len(scope)):])
	fail := f.fail
	f.mu.Unlock()
	status, answer := 0, ""
	if fail != nil {
		status, answer = fail(operation, n)
	}
	if status == 0 {
		status, answer = f.answer(r.Context(), operation, body)
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	return &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/x-amz-json-1.0"}},
		Body: io.NopCloser(strings.NewReader(answer)), Request: r,
	}, nil
}

func (f *fakeSQS) answer(ctx context.Context, operation string, body []byte) (int, string) {
	var in struct {
		QueueURL                                                string `json:"QueueUrl"`
		MaxNumberOfMessages, WaitTimeSeconds, VisibilityTimeout int
		Entries                                                 []struct {
			ID                string `json:"Id"`
			ReceiptHandle     string
			VisibilityTimeout int
		}
	}
	if err := json.Unmarshal(body, &in); err != nil || in.QueueURL != fakeQueueURL {
		return http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"The specified queue does not exist."}`
	}
	if operation == "ReceiveMessage" {
		messages := f.receive(in.MaxNumberOfMessages, time.Duration(in.VisibilityTimeout)*time.Second)
		if len(messages) == 0 && in.WaitTimeSeconds > 0 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(in.WaitTimeSeconds) * time.Second):
			}
			messages = f.receive(in.MaxNumberOfMessages, time.Duration(in.VisibilityTimeout)*time.Second)
		}
		answer, _ := json.Marshal(map[string]any{"Messages": messages})
		return http.StatusOK, string(answer)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(in.Entries) == 0 || len(in.Entries) > 10 {
		return http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#TooManyEntriesInBatchRequest","message":"1 to 10"}`
	}
	var failed []map[string]any
	var deleted []string
	for _, e := range in.Entries {
		i := slices.IndexFunc(f.messages, func(m *fakeMessage) bool { return m.receipt == e.ReceiptHandle })
		code, sender := "", false
		if i < 0 {
			code, sender = "ReceiptHandleIsInvalid", true
		} else if f.refuse != nil {
			code, sender = f.refuse(operation, f.messages[i].id)
		}
		if code != "" {
			failed = append(failed, map[string]any{"Id": e.ID, "Code": code, "SenderFault": sender, "Message": "refused"})
			continue
		}
		switch operation {
		case "DeleteMessageBatch":
			deleted = append(deleted, f.messages[i].id)
			f.messages = slices.Delete(f.messages, i, i+1)
		case "ChangeMessageVisibilityBatch":
			timeout := time.Duration(e.VisibilityTimeout) * time.Second
			f.messages[i].visibleAt = time.Now().Add(timeout)
			f.visible = append(f.visible, timeout)
		default:
			return http.StatusBadRequest, `{"__type":"com.amazonaws.sqs#UnsupportedOperation","message":"unknown"}`
		}
	}
	if operation == "DeleteMessageBatch" {
		f.deletes = append(f.deletes, deleted)
	}
	answer, _ := json.Marshal(map[string]any{"Successful": []any{}, "Failed": failed})
	return http.StatusOK, string(answer)
}

func (f *fakeSQS) receive(most int, hidden time.Duration) (got []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range f.messages {
		if len(got) == most {
			break
		}
		if m.visibleAt.After(time.Now()) {
			continue
		}
		m.receives++
		m.receipt = fmt.Sprintf("%s-%d", m.id, m.receives)
		m.visibleAt = time.Now().Add(hidden)
		got = append(got, map[string]any{
			"MessageId": m.id, "ReceiptHandle": m.receipt, "Body": m.body,
			"Attributes": map[string]string{"ApproximateReceiveCount": fmt.Sprint(m.receives)},
		})
	}
	return got
}

// oneFile is a message of S3 about a log file, with an ETag.
func oneFile(n int) string { return someFiles(n, 1) }

// someFiles is a message about several log files, from the n-th on.
func someFiles(n, many int) string {
	var b bytes.Buffer
	b.WriteString(`{"Records":[`)
	for i := range many {
		fmt.Fprintf(&b, `%s{"eventSource":"aws:s3","eventName":"ObjectCreated:Put","s3":{"bucket":{"name":"trail-logs"},"object":{"key":"%s","size":%d,"eTag":"e%d"}}}`,
			strings.Repeat(",", min(i, 1)), fileKey(n+i), 10+n+i, n+i)
	}
	return b.String() + `]}`
}

func fileKey(n int) string {
	return fmt.Sprintf("%seu-west-1/2026/11/03/111122223333_CloudTrail_eu-west-1_20261103T1200Z_%016d.json.gz", tree, n)
}

// listQueue lists once.
func listQueue(ctx context.Context, s Source) (objects []Object, errs []error) {
	for o, err := range s.List(ctx, Bounds{}) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		objects = append(objects, o)
	}
	return objects, errs
}
