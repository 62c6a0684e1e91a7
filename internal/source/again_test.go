package source

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

// Log files are found again by the names that the ledger has of them, on disk
// and in S3; what cannot be had again is an error that names it.
func TestAgain(t *testing.T) {
	server := s3test.Start(t)
	bucket := server.Bucket(t)
	const key = "AWSLogs/111122223333/CloudTrail/eu-west-1/2026/05/04/111122223333_CloudTrail_eu-west-1_20260504T1305Z_AbCdEfGhIjKlMnOp.json"
	server.Put(t, bucket, key, []byte("of S3"))
	file := filepath.ToSlash(filepath.Join(t.TempDir(), "111122223333_CloudTrail_eu-west-1_20260504T1305Z_AbCdEfGhIjKlMnOp.json"))
	if err := os.WriteFile(file, []byte("of disk"), 0o644); err != nil {
		t.Fatal(err)
	}
	src := Again([]string{"s3://" + bucket + "/" + key, file, "s3://" + bucket + "/" + key + "x", file + "x", "stdin:sha256:00", "lookup-events:111122223333/eu-west-1/StartQueryExecution/1-2"},
		Deps{S3: func(context.Context) (*s3.Client, error) { return server.Client(), nil }})
	if src.Name() != "" {
		t.Errorf("its name is %q", src.Name())
	}
	var bodies, failures []string
	for o, err := range src.List(t.Context(), Bounds{}) {
		if err != nil {
			failures = append(failures, err.Error())
			continue
		}
		if o.Account != "111122223333" || o.ETag == "" || o.Delivered.IsZero() {
			t.Errorf("%+v", o)
		}
		body, err := src.Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(body)
		body.Close()
		if err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, string(data))
	}
	if strings.Join(bodies, ",") != "of S3,of disk" {
		t.Errorf("read %q", bodies)
	}
	if len(failures) != 4 {
		t.Errorf("failures %q", failures)
	}
	for i, want := range []string{key + "x again: ", file + "x again: ", "stdin:sha256:00 again: it came from where", "came from where nothing can be read twice"} {
		if i < len(failures) && !strings.Contains(failures[i], want) {
			t.Errorf("failure %q, want %q", failures[i], want)
		}
	}
}
