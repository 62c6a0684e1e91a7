package lake_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail"
	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

var background = context.Background()

// A faulty transport spoils some of the answers of a real server.
type faulty struct {
	spoil func(n int64, r *http.Request, answer func() *http.Response) *http.Response
	calls atomic.Int64
}

func (f *faulty) Do(r *http.Request) (*http.Response, error) {
	var failure error
	response := f.spoil(f.calls.Add(1), r, func() *http.Response {
		response, err := http.DefaultTransport.RoundTrip(r)
		failure = err
		return response
	})
	return response, failure
}

func answerOf(r *http.Request, status int, code string) *http.Response {
	body := "<Error><Code>" + code + "</Code><Message>spoilt</Message></Error>"
	return &http.Response{
		StatusCode: status, Status: http.StatusText(status), Request: r, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Content-Type": {"application/xml"}}, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
}

func spoiltStore(t *testing.T, server *s3test.Server, bucket string, f *faulty) lake.Store {
	t.Helper()
	client := server.NewClient(func(o *s3.Options) {
		o.HTTPClient = f
		o.Retryer = retry.NewStandard(func(r *retry.StandardOptions) {
			r.MaxAttempts = 8
			r.MaxBackoff = 10 * time.Millisecond
		})
	})
	store, err := lake.NewS3Store(client, bucket, "p")
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// TestS3Faults counts through a server that answers every other request with
// 500, SlowDown or 409, and cuts the bodies of others.
func TestS3Faults(t *testing.T) {
	server := s3test.Start(t)
	store := spoiltStore(t, server, server.Bucket(t), &faulty{spoil: func(n int64, r *http.Request, answer func() *http.Response) *http.Response {
		switch n % 7 {
		case 0:
			return answerOf(r, 500, "InternalError")
		case 2:
			return answerOf(r, 503, "SlowDown")
		case 4:
			if r.Method == http.MethodPut {
				return answerOf(r, 409, "ConditionalRequestConflict")
			}
		case 6:
			response := answer()
			if r.Method == http.MethodGet && response != nil && response.StatusCode == 200 && response.ContentLength > 1 {
				cut, _ := io.ReadAll(io.LimitReader(response.Body, response.ContentLength/2))
				response.Body.Close()
				response.Body = io.NopCloser(io.MultiReader(bytes.NewReader(cut), errorReader{}))
			}
			return response
		}
		return answer()
	}})
	for i := range 60 {
		if err := store.Update(t.Context(), "counter", increment); err != nil {
			t.Fatalf("increment %d: %v", i, err)
		}
	}
	if data, err := store.Read(t.Context(), "counter"); err != nil || string(data) != "60" {
		t.Errorf("counter is %q, %v", data, err)
	}
}

type errorReader struct{}

func (errorReader) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// TestS3LostAnswer loses the answer of a write that was done: the SDK repeats
// it, the condition no longer holds, and the change finds itself made.
func TestS3LostAnswer(t *testing.T) {
	server := s3test.Start(t)
	lost := 0
	store := spoiltStore(t, server, server.Bucket(t), &faulty{spoil: func(_ int64, r *http.Request, answer func() *http.Response) *http.Response {
		response := answer()
		if r.Method == http.MethodPut && lost == 0 {
			lost++
			response.Body.Close()
			return answerOf(r, 500, "InternalError")
		}
		return response
	}})
	calls := 0
	err := store.Update(t.Context(), "set", func(old []byte) ([]byte, error) {
		calls++
		if bytes.Contains(old, []byte("row;")) {
			return nil, nil
		}
		return append(bytes.Clone(old), "row;"...), nil
	})
	if err != nil || lost != 1 || calls != 2 {
		t.Errorf("%v, %d answers lost, change called %d times", err, lost, calls)
	}
	if data, _ := store.Read(t.Context(), "set"); string(data) != "row;" {
		t.Errorf("%q", data)
	}
}

// TestS3LostAnswerOfMerge counts rows as new that were written by a request
// whose answer was lost.
func TestS3LostAnswerOfMerge(t *testing.T) {
	server := s3test.Start(t)
	lost := 0
	store := spoiltStore(t, server, server.Bucket(t), &faulty{spoil: func(_ int64, r *http.Request, answer func() *http.Response) *http.Response {
		response := answer()
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/facts/") && lost == 0 {
			lost++
			response.Body.Close()
			return answerOf(r, 500, "InternalError")
		}
		return response
	}})
	rows := []athenatrail.Event{{Home: home, ID: "a", Time: noon, Record: "{}"}}
	if n, err := lake.Merge(t.Context(), createLake(t, store), lake.Events, home, rows); n != 1 || err != nil || lost != 1 {
		t.Errorf("Merge = %d, %v; %d answers lost", n, err, lost)
	}
}

// TestS3WriteBetween has another writer come between what change was given and
// what is made of it, for a new file, an old one, and one to be removed.
func TestS3WriteBetween(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.Bucket(t)
	open := func() lake.Store {
		store, err := lake.NewS3Store(server.NewClient(), bucket, "p")
		if err != nil {
			t.Fatal(err)
		}
		return store
	}
	store, other := open(), open()
	for _, step := range []struct{ between, want string }{{"1", "1+"}, {"2", "2+"}, {"3", ""}} {
		calls := 0
		err := store.Update(t.Context(), "a", func(old []byte) ([]byte, error) {
			if calls++; calls == 1 {
				if err := other.Put(t.Context(), "a", []byte(step.between)); err != nil {
					return nil, err
				}
			}
			if step.want == "" {
				if calls == 2 && string(old) != step.between {
					t.Errorf("the second call was given %q", old)
				}
				return nil, lake.ErrRemove
			}
			return append(bytes.Clone(old), '+'), nil
		})
		if err != nil || calls != 2 {
			t.Errorf("%q: %v, change called %d times", step.between, err, calls)
		}
		if data, _ := store.Read(t.Context(), "a"); string(data) != step.want {
			t.Errorf("%q: %q, want %q", step.between, data, step.want)
		}
	}
}

// TestS3Overtaken gives up when its time is over, if every write is refused.
func TestS3Overtaken(t *testing.T) {
	server := s3test.Start(t)
	store := spoiltStore(t, server, server.Bucket(t), &faulty{spoil: func(_ int64, r *http.Request, answer func() *http.Response) *http.Response {
		if r.Method == http.MethodPut {
			return answerOf(r, 412, "PreconditionFailed")
		}
		return answer()
	}})
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if err := store.Update(ctx, "a", becomes("x")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func TestS3Errors(t *testing.T) {
	server := s3test.Start(t)
	missing, err := lake.NewS3Store(server.Client(), "no-such-bucket", "p")
	if err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		func() error { _, err := missing.Read(t.Context(), "a"); return err }(),
		missing.Update(t.Context(), "a", becomes("x")),
		missing.Put(t.Context(), "a", nil),
	} {
		if err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), `there is no bucket "no-such-bucket"`) {
			t.Errorf("missing bucket: %v", err)
		}
	}
	for _, err := range missing.List(t.Context(), "") {
		if err == nil || !strings.Contains(err.Error(), "there is no bucket") {
			t.Errorf("missing bucket: %v", err)
		}
	}

	wrong := server.NewClient(func(o *s3.Options) {
		o.Credentials = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "wrong"}, nil
		})
	})
	refused, err := lake.NewS3Store(wrong, server.Bucket(t), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refused.Read(t.Context(), "a"); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "/a: ") {
		t.Errorf("wrong secret: %v", err)
	}
	if _, err := lake.NewS3Store(wrong, "", "p"); err == nil {
		t.Error("no bucket's name, and no error")
	}
}
