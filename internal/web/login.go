package web

import (
	"net/http"
	"net/url"
	"strings"
)

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if len(s.o.Auth.Users) == 0 {
		s.fail(w, r, http.StatusNotFound, "nobody signs in here by a token")
		return
	}
	f := s.bare(nil, "Sign in")
	f.Path = localPath(r.URL.Query().Get("to"))
	s.render(w, r, http.StatusOK, "login.html", f)
}

// localPath returns where to go after signing in: a page of ours.
func localPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "//") || strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return u.RequestURI()
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if err := r.ParseForm(); err != nil {
		s.fail(w, r, http.StatusBadRequest, "the form cannot be read")
		return
	}
	who := s.o.Auth.byToken(strings.TrimSpace(r.PostForm.Get("token")))
	if who == nil {
		f := s.bare(nil, "Sign in")
		f.Path, f.Notices = localPath(r.PostForm.Get("to")), []string{"The token is not one of those that are known."}
		s.o.Log.Warn("a sign-in failed", "client", s.clientOf(r))
		s.render(w, r, http.StatusUnauthorized, "login.html", f)
		return
	}
	http.SetCookie(w, s.cookie(r, s.sessions.begin(who), int(sessionLife.Seconds())))
	http.Redirect(w, r, localPath(r.PostForm.Get("to")), http.StatusSeeOther)
}

func (s *Server) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode}
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.sessions.end(c.Value)
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
