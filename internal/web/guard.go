package web

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// policy lets a page load the program's own script, style and images, and
// nothing from elsewhere.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), geolocation=(), microphone=()")
}

// What one client may ask: so many requests a second, with a burst for a page
// and what it loads, and so many at a time. Others are not held up by one that
// asks more.
const (
	clientRate     = 20
	clientBurst    = 80
	clientAtATime  = 8
	maxClients     = 10_000
	maxBody        = 8 << 10
	maxURL         = 16 << 10
	maxConnections = 1024
	maxPerAddress  = 64
)

type clients struct {
	mu  sync.Mutex
	all map[string]*client
}

type client struct {
	limit  *rate.Limiter
	active int
	seen   time.Time
}

func newClients() *clients { return &clients{all: map[string]*client{}} }

// enter reports whether a client may ask now; leave must follow if so.
func (c *clients) enter(key string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.all[key]
	if x == nil {
		if len(c.all) >= maxClients {
			for k, old := range c.all {
				if old.active == 0 && now.Sub(old.seen) > clientBurst/clientRate*time.Second {
					delete(c.all, k)
				}
			}
		}
		if len(c.all) >= maxClients {
			return false
		}
		x = &client{limit: rate.NewLimiter(clientRate, clientBurst)}
		c.all[key] = x
	}
	x.seen = now
	if x.active >= clientAtATime || !x.limit.AllowN(now, 1) {
		return false
	}
	x.active++
	return true
}

func (c *clients) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if x := c.all[key]; x != nil {
		x.active--
	}
}

// clientOf returns what requests are counted by: the address, or behind a
// trusted proxy the user, since all come from the proxy's address.
func (s *Server) clientOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	if p := s.o.Auth.Proxy; p.Header != "" && trusted(p.From, r.RemoteAddr) {
		if name := r.Header.Get(p.Header); name != "" {
			return "user " + name
		}
	}
	// Of IPv6, whoever has one address has its /64.
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() && !a.Is4In6() {
		if p, err := a.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return host
}

// A recorder notes how an answer ended.
type recorder struct {
	http.ResponseWriter
	code int
}

func (w *recorder) WriteHeader(code int) {
	if w.code == 0 {
		w.code = code
	}
	w.ResponseWriter.WriteHeader(code)
}

func (w *recorder) Write(p []byte) (int, error) {
	if w.code == 0 {
		w.code = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// guard stands before every handler.
func (s *Server) guard(mux *http.ServeMux) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, r, http.StatusForbidden, "this request comes from another site")
	}))
	checked := cross.Handler(mux)
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		began := time.Now()
		w := &recorder{ResponseWriter: out}
		_, page := mux.Handler(r)
		if page == "" {
			page = "none"
		}
		defer func() {
			if v := recover(); v != nil && v != http.ErrAbortHandler {
				s.o.Log.Error("a page panicked", "path", r.URL.Path, "panic", fmt.Sprint(v), "stack", string(debug.Stack()))
				if w.code == 0 {
					s.fail(w, r, http.StatusInternalServerError, "this page failed; the server's log says why")
				}
			}
			s.metrics.requests.WithLabelValues(page, strconv.Itoa(w.code)).Inc()
			s.metrics.duration.WithLabelValues(page).Observe(time.Since(began).Seconds())
			// Neither query, which may hold SQL, nor any header is logged.
			s.o.Log.Log(r.Context(), slog.LevelDebug, "request", "method", r.Method, "path", r.URL.Path, "code", w.code, "took", time.Since(began))
		}()
		secure(w.Header())
		if !s.o.Auth.Required() && !isLoopbackName(r.Host) {
			// A name that somebody made to point here would let their page read
			// this one.
			s.fail(w, r, http.StatusMisdirectedRequest, "this dashboard has no authentication, so it answers to localhost and loopback addresses alone")
			return
		}
		if len(r.URL.RawQuery) > maxURL {
			s.fail(w, r, http.StatusRequestURITooLong, fmt.Sprintf("the address is longer than %d bytes", maxURL))
			return
		}
		key := s.clientOf(r)
		if !s.clients.enter(key, time.Now()) {
			w.Header().Set("Retry-After", "2")
			s.fail(w, r, http.StatusTooManyRequests, "too many requests at once: wait a moment")
			return
		}
		defer s.clients.leave(key)
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		checked.ServeHTTP(w, r)
	})
}

// isLoopbackName reports whether a Host header names this machine to itself.
func isLoopbackName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// limitConnections bounds how many connections are open, in all and of one
// address. One that is too many is closed at once.
func limitConnections(l net.Listener) net.Listener {
	return &connections{Listener: l, open: map[string]int{}}
}

type connections struct {
	net.Listener
	mu   sync.Mutex
	all  int
	open map[string]int
}

func (l *connections) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		l.mu.Lock()
		full := l.all >= maxConnections || l.open[host] >= maxPerAddress && !isLoopbackName(host)
		if !full {
			l.all++
			l.open[host]++
		}
		l.mu.Unlock()
		if full {
			c.Close()
			continue
		}
		return &counted{Conn: c, leave: func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.all--
			if l.open[host]--; l.open[host] == 0 {
				delete(l.open, host)
			}
		}}, nil
	}
}

type counted struct {
	net.Conn
	once  sync.Once
	leave func()
}

func (c *counted) Close() error {
	c.once.Do(c.leave)
	return c.Conn.Close()
}
