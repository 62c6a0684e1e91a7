// Package mototest starts a moto server for a test: an imitation of AWS's
// services in memory, on a free port of the loopback interface. It speaks the
// services' own protocols, so that the SDK's clients talk to it as to AWS.
// Where it is more lenient than AWS, docs/testing.md says so.
package mototest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

const (
	binary = "moto_server"

	// Account is the one that the server's resources belong to.
	Account = "123456789012"

	// ForbidSkip is the environment variable that makes a missing server a
	// failure. CI sets it to 1.
	ForbidSkip = "ATHENATRAIL_FORBID_SKIP"

	startTries = 5

	// The server takes three seconds on an idle machine: it imports all of
	// Python's SDK.
	startTimeout = 60 * time.Second
)

// Start runs a server of its own until the test ends, and returns its address,
// http://127.0.0.1:PORT. Where moto is not installed the test is skipped, or
// fails if [ForbidSkip] is set to 1.
func Start(t testing.TB) (endpoint string) {
	t.Helper()
	path, err := find()
	if err != nil {
		message := fmt.Sprintf("no moto server: %v; install it with scripts/install-test-servers.sh", err)
		if os.Getenv(ForbidSkip) == "1" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	for try := 1; ; try++ {
		endpoint, err := start(t, path)
		if err == nil {
			return endpoint
		}
		if try == startTries {
			t.Fatal(err)
		}
		t.Logf("try %d: %v", try, err)
	}
}

// Config is for clients of the server at endpoint, with credentials that it
// takes for an administrator's of [Account].
func Config(endpoint, region string) aws.Config {
	return aws.Config{
		Region:       region,
		BaseEndpoint: aws.String(endpoint),
		Credentials:  credentials.NewStaticCredentialsProvider("test", "test-secret", ""),
	}
}

// find looks for the server where scripts/install-test-servers.sh puts it, in
// .tools/bin beside go.mod, then on PATH.
func find() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			path := filepath.Join(dir, ".tools", "bin", binary)
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
	return exec.LookPath(binary)
}

func start(t testing.TB, path string) (string, error) {
	// Between finding a free port and the server's taking it another process
	// may be faster; then the server ends, and Start tries again.
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	if err != nil {
		return "", err
	}
	var output tail
	cmd := exec.Command(path, "--host", "127.0.0.1", "--port", port)
	cmd.Stdout, cmd.Stderr = &output, &output
	// The server as the script installs it ends when this pipe does, which it
	// does even if the test is killed.
	cmd.Env = append(os.Environ(), "MOTO_ENDS_WITH_STDIN=1")
	alive, err := cmd.StdinPipe()
	if err != nil {
		return "", err
	}
	if err := cmd.Start(); err != nil {
		return "", fmt.Errorf("start %s: %w", path, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()

	endpoint := "http://127.0.0.1:" + port
	deadline := time.Now().Add(startTimeout)
	for {
		err := answers(endpoint)
		if err == nil {
			break
		}
		select {
		case exit := <-ended:
			return "", fmt.Errorf("%s on port %s ended: %v\n%s", binary, port, exit, output.String())
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			<-ended
			return "", fmt.Errorf("%s on port %s does not answer: %w\n%s", binary, port, err, output.String())
		}
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		alive.Close()
		if err := <-ended; err != nil && !errors.As(err, new(*exec.ExitError)) {
			t.Logf("%s: %v", binary, err)
		}
		if t.Failed() {
			t.Logf("%s said:\n%s", binary, output.String())
		}
	})
	return endpoint, nil
}

// answers asks for a page that moto alone has: another process may hold the
// port.
func answers(endpoint string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/moto-api/data.json", nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s", request.URL, response.Status)
	}
	return nil
}

// A tail keeps the end of what a server says. It says a line for each request:
// those that went well are left out of the text.
type tail struct {
	mu    sync.Mutex
	bytes []byte
}

const tailSize = 32 << 10

var wentWell = regexp.MustCompile(`HTTP/1\.[01]" 2[0-9][0-9]`)

func (o *tail) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.bytes = append(o.bytes, p...)
	if over := len(o.bytes) - tailSize; over > 0 {
		o.bytes = append(o.bytes[:0], o.bytes[over:]...)
	}
	return len(p), nil
}

func (o *tail) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	lines := slices.DeleteFunc(strings.Split(string(o.bytes), "\n"), wentWell.MatchString)
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
