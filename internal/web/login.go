package web

import (
	"net/http"
	"net/url"
	"strings"
)

func (s *Server) loginPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if !s.o.Auth.asks() {
		s.fail(w, r, http.StatusNotFound, "nobody signs in here")
		return
	}
	s.render(w, r, http.StatusOK, "login.html", s.loginFrame(r.URL.Query().Get("to")))
}

// A loginView is in which ways people can sign in.
type loginView struct {
	Token    bool
	Provider string // the provider's name
	Href     string // the way to it
}

func (s *Server) loginFrame(to string) *frame {
	f := s.bare(nil, "Sign in")
	f.Path = localPath(to)
	v := loginView{Token: len(s.o.Auth.Users) > 0}
	if s.signIn != nil {
		v.Href = "/login/oidc?" + url.Values{"to": {f.Path}}.Encode()
		if u, err := url.Parse(s.signIn.o.Issuer); err == nil {
			v.Provider = u.Host
		}
	}
	f.Rest = v
	return f
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
		f := s.loginFrame(r.PostForm.Get("to"))
		f.Notices = []string{"The token is not one of those that are known."}
		s.o.Log.Warn("a sign-in failed", "client", s.clientOf(r))
		s.render(w, r, http.StatusUnauthorized, "login.html", f)
		return
	}
	http.SetCookie(w, s.cookie(r, s.sessions.begin(who), int(sessionLife.Seconds())))
	http.Redirect(w, r, localPath(r.PostForm.Get("to")), http.StatusSeeOther)
}

func (s *Server) cookie(r *http.Request, value string, age int) *http.Cookie {
	return &http.Cookie{Name: cookieName, Value: value, Path: "/", MaxAge: age, HttpOnly: true, Secure: s.secure(r), SameSite: http.SameSiteStrictMode}
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.sessions.end(c.Value)
	}
	http.SetCookie(w, s.cookie(r, "", -1))
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}
