package s3test_test

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

// TestConditions checks that the server is one that the lake can be tested
// with: it refuses writes whose condition does not hold.
func TestConditions(t *testing.T) {
	server := s3test.Start(t)
	client, bucket, key := server.Client(), server.Bucket(t), "folder/object"
	put := func(body string, change func(*s3.PutObjectInput)) (string, int) {
		input := &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: strings.NewReader(body)}
		change(input)
		out, err := client.PutObject(t.Context(), input)
		var response *awshttp.ResponseError
		if errors.As(err, &response) {
			return "", response.HTTPStatusCode()
		}
		if err != nil {
			t.Fatal(err)
		}
		return aws.ToString(out.ETag), http.StatusOK
	}
	ifNone := func(in *s3.PutObjectInput) { in.IfNoneMatch = aws.String("*") }
	ifMatch := func(etag string) func(*s3.PutObjectInput) {
		return func(in *s3.PutObjectInput) { in.IfMatch = &etag }
	}

	if _, status := put("x", ifMatch(`"0123"`)); status == http.StatusOK {
		t.Error("If-Match on a missing object was let through")
	}
	first, status := put("one", ifNone)
	if status != http.StatusOK {
		t.Fatalf("If-None-Match on a missing object: %d", status)
	}
	if _, status := put("other", ifNone); status != http.StatusPreconditionFailed {
		t.Errorf("If-None-Match on an object: %d, want 412", status)
	}
	second, status := put("two", ifMatch(first))
	if status != http.StatusOK {
		t.Errorf("If-Match with the ETag: %d", status)
	}
	if _, status := put("three", ifMatch(first)); status != http.StatusPreconditionFailed {
		t.Errorf("If-Match with an old ETag: %d, want 412", status)
	}
	if _, err := client.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: &bucket, Key: &key, IfMatch: &first}); err == nil {
		t.Error("a delete with an old ETag was let through")
	}
	out, err := client.GetObject(t.Context(), &s3.GetObjectInput{Bucket: &bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if body, _ := io.ReadAll(out.Body); string(body) != "two" || aws.ToString(out.ETag) != second {
		t.Errorf("object is %q with ETag %s, want two with %s", body, aws.ToString(out.ETag), second)
	}
}

// TestMissingServer shows the two ways a missing server ends.
func TestMissingServer(t *testing.T) {
	t.Chdir(t.TempDir())
	t.Setenv("PATH", t.TempDir())
	for forbid, want := range map[string]string{"1": "fatal", "": "skip"} {
		t.Setenv(s3test.ForbidSkip, forbid)
		f := &recorder{TB: t}
		func() {
			defer func() {
				if r := recover(); r != nil && r != f {
					panic(r)
				}
			}()
			s3test.Start(f)
		}()
		if f.end != want || !strings.Contains(f.message, "scripts/install-test-servers.sh") {
			t.Errorf("with %s=%q: %s %q, want %s", s3test.ForbidSkip, forbid, f.end, f.message, want)
		}
	}
}

// A recorder is a test whose end is seen instead of happening.
type recorder struct {
	testing.TB
	end, message string
}

func (r *recorder) stop(end string, args []any) {
	r.end = end
	r.message, _ = args[0].(string)
	panic(r)
}
func (r *recorder) Fatal(args ...any) { r.stop("fatal", args) }
func (r *recorder) Skip(args ...any)  { r.stop("skip", args) }
