// Package trinotest starts a real Trino for a test: one coordinator that is its
// own worker, on a free port of the loopback interface, with a Hive connector
// over an S3 server of the test's, whose bucket also holds the metastore. What
// Trino makes of a definition or a statement is Trino's, not a mock's.
//
// A start takes half a minute and more, and about two gigabytes of memory, so a
// package starts one for all of its tests.
package trinotest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/s3test"
)

const (
	// Catalog is the one of the Hive connector.
	Catalog = "lake"

	startTimeout = 8 * time.Minute // on a machine that does much else
	heap         = "1500m"
	version      = "435"
)

// A Server is a running Trino.
type Server struct {
	URL string // http://test@127.0.0.1:PORT, for clients
}

// Start runs a Trino until the test ends, with the catalog [Catalog] over a
// server of S3. Its metastore is in a bucket of its own. Where Trino is not
// installed the test is skipped, or fails if [s3test.ForbidSkip] is set to 1.
func Start(t testing.TB, s3 *s3test.Server) *Server {
	t.Helper()
	dir, err := find()
	if err != nil {
		message := fmt.Sprintf("no Trino: %v; install it with scripts/install-test-servers.sh", err)
		if os.Getenv(s3test.ForbidSkip) == "1" {
			t.Fatal(message)
		}
		t.Skip(message)
	}
	s, err := start(t, dir, s3)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// find looks for what scripts/install-test-servers.sh put into .tools/trino
// beside go.mod, and for a Java to run it.
func find() (string, error) {
	if _, err := exec.LookPath("java"); err != nil {
		return "", err
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			trino := filepath.Join(dir, ".tools", "trino")
			_, err := os.Stat(filepath.Join(trino, "lib", "trino-main-"+version+".jar"))
			return trino, err
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", errors.New("no go.mod above the test")
		}
		dir = parent
	}
}

// settings writes what the server is configured with into a folder.
func settings(folder, dir, port string, s3 *s3test.Server, bucket string) error {
	files := map[string][]string{
		"config.properties": {
			"node.id=test", "node.environment=test", "node.bind-ip=127.0.0.1", "node.internal-address=127.0.0.1",
			"coordinator=true", "node-scheduler.include-coordinator=true",
			"http-server.http.port=" + port, "discovery.uri=http://127.0.0.1:" + port,
			"plugin.dir=" + filepath.Join(dir, "plugin"), "catalog.config-dir=" + filepath.Join(folder, "catalog"),
			"query.max-memory=512MB", "query.max-memory-per-node=512MB", "memory.heap-headroom-per-node=256MB", "query.max-stage-count=600",
		},
		"log.properties": {"io.trino=WARN", "io.airlift=WARN", "org=ERROR"},
		"catalog/" + Catalog + ".properties": {
			"connector.name=hive", "hive.metastore=file", "hive.metastore.catalog.dir=s3://" + bucket + "/metastore", "hive.metastore.disable-location-checks=true",
			"hive.security=allow-all", "hive.non-managed-table-writes-enabled=true", "hive.partition-projection-enabled=true", "hive.ignore-absent-partitions=true",
			"fs.hadoop.enabled=false", "fs.native-s3.enabled=true", "s3.endpoint=" + s3.Endpoint, "s3.region=" + s3.Region, "s3.path-style-access=true",
			"s3.aws-access-key=" + s3.AccessKey, "s3.aws-secret-key=" + s3.SecretKey,
		},
	}
	for name, lines := range files {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
			return err
		}
	}
	return nil
}

func start(t testing.TB, dir string, s3 *s3test.Server) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	listener.Close()
	if err != nil {
		return nil, err
	}
	folder := t.TempDir()
	if err := settings(folder, dir, port, s3, s3.Bucket(t)); err != nil {
		return nil, err
	}
	cmd := exec.Command("java", "-Xmx"+heap, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Djdk.attach.allowAttachSelf=true", "-Djdk.nio.maxCachedBufferSize=2000000",
		"--add-opens=java.base/java.nio=ALL-UNNAMED", "-Duser.timezone=UTC",
		"-Dconfig="+filepath.Join(folder, "config.properties"), "-Dlog.levels-file="+filepath.Join(folder, "log.properties"),
		"-cp", filepath.Join(dir, "lib", "*"), filepath.Join(dir, "Trino.java"), version)
	cmd.Dir = folder
	var output tail
	cmd.Stdout, cmd.Stderr = &output, &output
	ends, err := cmd.StdinPipe() // Trino.java ends with it
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	stop := func() {
		ends.Close()
		select {
		case <-ended:
		case <-time.After(10 * time.Second):
			cmd.Process.Kill()
			<-ended
		}
	}
	base := "http://127.0.0.1:" + port
	for deadline := time.Now().Add(startTimeout); !started(base); {
		select {
		case exit := <-ended:
			return nil, fmt.Errorf("trino ended: %v\n%s", exit, output.String())
		case <-time.After(time.Second):
		}
		if time.Now().After(deadline) {
			stop()
			return nil, fmt.Errorf("trino does not answer after %s\n%s", startTimeout, output.String())
		}
	}
	t.Cleanup(func() {
		stop()
		if t.Failed() {
			t.Logf("trino said:\n%s", output.String())
		}
	})
	return &Server{URL: "http://test@127.0.0.1:" + port}, nil
}

// started asks whether the server has started, which it says some time after it
// answers at all.
func started(base string) bool {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/v1/info", nil)
	if err != nil {
		return false
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	var info struct {
		Starting bool `json:"starting"`
	}
	data, err := io.ReadAll(io.LimitReader(resp.Body, 1<<16))
	return err == nil && resp.StatusCode == http.StatusOK && json.Unmarshal(data, &info) == nil && !info.Starting
}

// A tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	end []byte
}

const tailBytes = 1 << 14

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.end = append(t.end, p...)
	if over := len(t.end) - tailBytes; over > 0 {
		t.end = bytes.Clone(t.end[over:])
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.end)
}
