package notify_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/athenatrail/athenatrail/internal/lake"
	"github.com/athenatrail/athenatrail/internal/notify"
	"github.com/athenatrail/athenatrail/internal/s3test"
)

// A child is this test binary run again, as a process of its own that sends.
type child struct {
	Dir              string // the lake; or
	Endpoint, Bucket string
	URL              string // of the service
	Now              time.Time
	Stop             string // where it waits to be killed: claimed or sent
}

const childVariable = "ATHENATRAIL_TEST_NOTIFY_CHILD"

func TestMain(m *testing.M) {
	if text := os.Getenv(childVariable); text != "" {
		var c child
		err := json.Unmarshal([]byte(text), &c)
		if err == nil {
			err = c.run()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func (c *child) lake(ctx context.Context) (*lake.Lake, error) {
	var store lake.Store
	var err error
	if c.Dir != "" {
		store, err = lake.OpenStore(c.Dir)
	} else {
		server := &s3test.Server{Endpoint: c.Endpoint, Region: "us-east-1", AccessKey: "test", SecretKey: "test-secret"}
		store, err = lake.NewS3Store(server.NewClient(), c.Bucket, "lake")
	}
	if err != nil {
		return nil, err
	}
	return lake.Create(ctx, store)
}

func (c *child) run() error {
	ctx := context.Background()
	l, err := c.lake(ctx)
	if err != nil {
		return err
	}
	r, err := notify.NewRenderer(notify.Templates{})
	if err != nil {
		return err
	}
	d := notify.New(l, []*notify.Post{{
		Channel: notify.Channel{Name: "hook", URL: "generic://x"}, Scheme: "generic", Renderer: r,
		Open: func(context.Context) (notify.Sender, error) { return (*hook)(c), nil },
	}}, time.UTC)
	result, err := d.Send(ctx, c.Now, []notify.Message{warning("a@example.com", 100), warning("b@example.com", 100)})
	if err == nil && len(result.Problems) > 0 {
		err = result.Problems[0]
	}
	return err
}

// A hook posts letters.
type hook child

func (h *hook) Send(ctx context.Context, l *notify.Letter) (string, error) {
	h.wait("claimed")
	res, err := http.Post(h.URL, "text/plain", strings.NewReader(l.Text))
	if err != nil {
		return "", err
	}
	res.Body.Close()
	h.wait("sent")
	return h.URL, nil
}

// wait says where the process is, and waits to be killed.
func (h *hook) wait(at string) {
	if h.Stop == at {
		fmt.Println(at)
		time.Sleep(time.Minute)
		os.Exit(3)
	}
}

// A service counts how often a person was told of.
type service struct {
	*httptest.Server
	mu   sync.Mutex
	told map[string]int
}

func newService(t *testing.T) *service {
	s := &service{told: map[string]int{}}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, who := range []string{"a@example.com", "b@example.com"} {
			s.told[who] += strings.Count(string(body), who+" has reached")
		}
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *service) mustHaveTold(t *testing.T, times int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, who := range []string{"a@example.com", "b@example.com"} {
		if s.told[who] != times {
			t.Errorf("%s was told of %d times, want %d", who, s.told[who], times)
		}
	}
}

func (c child) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childVariable+"="+string(text))
	cmd.Stderr = os.Stderr
	return cmd
}

// onEveryPlace gives a test a child for a lake in a folder, and one for S3.
func onEveryPlace(t *testing.T, test func(t *testing.T, c child)) {
	t.Run("disk", func(t *testing.T) { test(t, child{Dir: t.TempDir(), Now: noon}) })
	t.Run("s3", func(t *testing.T) {
		server := s3test.Start(t)
		test(t, child{Endpoint: server.Endpoint, Bucket: server.Bucket(t), Now: noon})
	})
}

// TestSeveralProcesses has two and five processes with the same to tell.
func TestSeveralProcesses(t *testing.T) {
	onEveryPlace(t, func(t *testing.T, c child) {
		for i, processes := range []int{2, 5} {
			s := newService(t)
			c := c
			c.URL = s.URL
			if c.Dir != "" {
				c.Dir = t.TempDir()
			} else if i > 0 {
				server := s3test.Start(t)
				c.Endpoint, c.Bucket = server.Endpoint, server.Bucket(t)
			}
			var wg sync.WaitGroup
			for range processes {
				cmd := c.command(t)
				wg.Go(func() {
					if err := cmd.Run(); err != nil {
						t.Error(err)
					}
				})
			}
			wg.Wait()
			s.mustHaveTold(t, 1)
		}
	})
}

// TestKilledWhereItHurts kills the process between claim and sending, and
// between sending and mark: what was not sent is sent, once, and what was sent
// and not marked is sent once more.
func TestKilledWhereItHurts(t *testing.T) {
	onEveryPlace(t, func(t *testing.T, c child) {
		s := newService(t)
		c.URL = s.URL
		for _, step := range []struct {
			stop string
			told int // after the kill
		}{{"claimed", 0}, {"sent", 1}, {"sent", 2}} {
			c.Stop = step.stop
			kill(t, c)
			s.mustHaveTold(t, step.told)
			c.Now = c.Now.Add(3 * time.Minute)
		}
		c.Stop = ""
		// Two minutes have to pass before another believes that it is dead.
		early := c
		early.Now = c.Now.Add(-2 * time.Minute)
		if err := early.command(t).Run(); err != nil {
			t.Fatal(err)
		}
		s.mustHaveTold(t, 2)
		for range 2 {
			if err := c.command(t).Run(); err != nil {
				t.Fatal(err)
			}
			s.mustHaveTold(t, 3)
			c.Now = c.Now.Add(time.Hour)
		}
	})
}

func kill(t *testing.T, c child) {
	t.Helper()
	cmd := c.command(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != c.Stop {
		t.Fatalf("it says %q, %v", line, err)
	}
	cmd.Process.Kill()
	cmd.Wait()
}
