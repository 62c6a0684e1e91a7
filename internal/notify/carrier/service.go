package carrier

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nicholas-fedor/shoutrrr/pkg/router"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"github.com/athenatrail/athenatrail/internal/notify"
)

// A service is one of those that shoutrrr sends to.
type service struct {
	url    string
	scheme string
	to     types.Service
}

// titled are the services that show a title beside the text.
var titled = []string{"bark", "generic", "gotify", "join", "ntfy", "opsgenie", "pushbullet", "pushover", "slack", "smtp"}

func newService(text string) (*service, error) {
	text = strings.TrimSpace(text)
	if wrong := notify.CheckURL(text); wrong != "" {
		return nil, fmt.Errorf("the URL: %s", wrong)
	}
	watchDefaultClient()
	u, err := url.Parse(text)
	if err != nil {
		return nil, without(err, text)
	}
	r := new(router.ServiceRouter)
	to, err := r.Locate(text)
	if err != nil {
		return nil, fmt.Errorf("the URL is not one of the service %s: %w", u.Scheme, without(err, text))
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+")
	return &service{url: text, scheme: scheme, to: to}, nil
}

// Send gives the letter to the service. Shoutrrr's services take no context:
// one that does not answer is left behind when ctx is done, and ends with its
// own client's timeout.
func (s *service) Send(ctx context.Context, l *notify.Letter) (string, error) {
	params := types.Params{}
	if slices.Contains(titled, s.scheme) {
		params[types.TitleKey] = l.Title
	}
	if s.scheme == "pagerduty" {
		params["dedup_key"] = l.ID // a letter that comes twice is one incident
	}
	before := defaultClient.mark()
	answer := make(chan error, 1)
	go func() { answer <- s.to.Send(l.Text, &params) }()
	select {
	case err := <-answer:
		if err == nil {
			return s.scheme, nil
		}
		err = without(err, s.url)
		if after, ok := defaultClient.askedToWait(before); ok {
			return "", &notify.Later{Err: err, After: after}
		}
		return "", err
	case <-ctx.Done():
		return "", fmt.Errorf("the service %s has not answered: %w", s.scheme, context.Cause(ctx))
	}
}

// check looks whether the host that the URL names can be connected to. Where
// the URL names none, as a token's does not, there is nothing to be known
// without sending.
func (s *service) check(ctx context.Context) (string, error) {
	u, err := url.Parse(s.url)
	if err != nil {
		return "", without(err, s.url)
	}
	if !slices.Contains([]string{"generic", "smtp", "gotify", "ntfy", "mattermost", "rocketchat", "matrix", "zulip", "signal"}, s.scheme) || u.Hostname() == "" {
		return "the URL is well-formed; whether " + s.scheme + " takes it, athenatrail notify test shows", nil
	}
	port := u.Port()
	if port == "" {
		port = "443"
		switch {
		case s.scheme == "smtp":
			port = "25"
		case u.Query().Get("disabletls") == "yes" || strings.HasSuffix(u.Scheme, "+http"):
			port = "80"
		}
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		var op *net.OpError
		if errors.As(err, &op) {
			err = op.Err // without the address
		}
		return "", fmt.Errorf("connect to the service: %w", without(err, s.url))
	}
	conn.Close()
	return "the service's host answers", nil
}

// A watch stands between http.DefaultClient and its transport.
type watch struct {
	next http.RoundTripper

	mu    sync.Mutex
	count int           // of the answers that asked to wait
	after time.Duration // that the last of them asked for
}

var defaultClient watch

// watchDefaultClient gives http.DefaultClient, with which most of shoutrrr's
// services send, the timeout that it lacks, and notes when an answer asks to
// come again later, which they drop. Nothing else of the program uses that
// client. An answer that leads elsewhere would take the message to where the
// configuration does not say, so none is followed.
var watchDefaultClient = sync.OnceFunc(func() {
	defaultClient.next = http.DefaultTransport
	http.DefaultClient.Transport = &defaultClient
	http.DefaultClient.Timeout = time.Minute
})

func (w *watch) RoundTrip(r *http.Request) (*http.Response, error) {
	res, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if after, ok := retryAfter(res); ok {
		w.mu.Lock()
		w.count, w.after = w.count+1, after
		w.mu.Unlock()
	}
	if 300 <= res.StatusCode && res.StatusCode < 400 {
		res.Body.Close()
		return nil, fmt.Errorf("the service answers %s, which is not followed", res.Status)
	}
	return res, nil
}

func (w *watch) mark() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.count
}

// askedToWait returns for how long an answer since the mark asked to wait.
func (w *watch) askedToWait(mark int) (time.Duration, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.after, w.count > mark
}

// retryAfter returns what an answer of 429 or 503 says of when to come again.
func retryAfter(res *http.Response) (time.Duration, bool) {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0, false
	}
	text := res.Header.Get("Retry-After")
	if n, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(n) * time.Second, true
	}
	if t, err := http.ParseTime(text); err == nil {
		return max(0, time.Until(t)), true
	}
	return 0, true
}
