// Package s3test starts a real S3 server for a test: versitygw over a
// temporary folder, on a free port of the loopback interface. Conditional
// writes, listings and errors are a server's, not a mock's.
package s3test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	binary = "versitygw"

	// ForbidSkip is the environment variable that makes a missing server a
	// failure. CI sets it to 1.
	ForbidSkip = "ATHENATRAIL_FORBID_SKIP"

	startTries   = 5
	startTimeout = 20 * time.Second
)

// A Server is a running S3 server.
type Server struct {
	Endpoint  string // http://127.0.0.1:PORT
	Region    string
	AccessKey string
	SecretKey string

	client  *s3.Client
	buckets atomic.Int64
}

// Start runs a server until the test ends. Where versitygw is not installed
// the test is skipped, or fails if [ForbidSkip] is set to 1.
func Start(t testing.TB) *Server {
	t.Helper()
	path, err := find()
	if err != nil {
		message := fmt.Sprintf("no S3 server: %v; install it with scripts/install-test-servers.sh", err)
		if os.Getenv(ForbidSkip) == "1" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	s := &Server{Region: "us-east-1", AccessKey: "test", SecretKey: "test-secret"}
	for try := 1; ; try++ {
		err := s.start(t, path)
		if err == nil {
			return s
		}
		if try == startTries {
			t.Fatal(err)
		}
		t.Logf("try %d: %v", try, err)
	}
}

// find looks for the server where scripts/install-test-servers.sh puts it, in
// .tools/bin beside go.mod, then on PATH.
func find() (string, error) {
	name := binary
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, ".tools", "bin", name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() {
				return path, nil
			}
			break
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			break
		}
		dir = parent
	}
	return exec.LookPath(name)
}

func (s *Server) start(t testing.TB, path string) error {
	// Between finding a free port and the server's taking it another process
	// may be faster; then the server ends, and Start tries again.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	address := listener.Addr().String()
	listener.Close()

	// ETags lie in extended attributes, so the temporary folder's file system
	// must have them. With --sidecar they would lie in other files, and a
	// reader could get one write's content with another's ETag.
	var output bytes.Buffer
	cmd := exec.Command(path, "--port", address, "--access", s.AccessKey, "--secret", s.SecretKey,
		"--region", s.Region, "--quiet", "--keep-alive", "posix", t.TempDir())
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	s.Endpoint = "http://" + address
	s.client = s.NewClient()
	deadline := time.Now().Add(startTimeout)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		_, err := s.client.ListBuckets(ctx, &s3.ListBucketsInput{}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		cancel()
		if err == nil {
			break
		}
		select {
		case exit := <-ended:
			return fmt.Errorf("%s on %s ended: %v\n%s", binary, address, exit, output.String())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			<-ended
			return fmt.Errorf("%s on %s does not answer: %w\n%s", binary, address, err, output.String())
		}
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		if err := <-ended; err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Logf("%s: %v", binary, err)
		}
		if t.Failed() && output.Len() > 0 {
			t.Logf("%s said:\n%s", binary, output.String())
		}
	})
	return nil
}

// Client returns a client of the server.
func (s *Server) Client() *s3.Client { return s.client }

// NewClient returns another client, with changes to its options.
func (s *Server) NewClient(options ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		Region:       s.Region,
		BaseEndpoint: aws.String(s.Endpoint),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(s.AccessKey, s.SecretKey, ""),
	}, options...)
}

var notInName = regexp.MustCompile(`[^a-z0-9]+`)

// Bucket makes a new bucket, named after the test, and returns its name.
func (s *Server) Bucket(t testing.TB) string {
	t.Helper()
	name := strings.Trim(notInName.ReplaceAllString(strings.ToLower(t.Name()), "-"), "-")
	name = fmt.Sprintf("b%d-%.40s", s.buckets.Add(1), name)
	name = strings.TrimRight(name, "-")
	if _, err := s.client.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatalf("create bucket %s: %v", name, err)
	}
	return name
}

// Put stores an object.
func (s *Server) Put(t testing.TB, bucket, key string, data []byte) {
	t.Helper()
	_, err := s.client.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: bytes.NewReader(data)})
	if err != nil {
		t.Fatalf("put s3://%s/%s: %v", bucket, key, err)
	}
}
