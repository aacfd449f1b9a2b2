package elsewhere

import (
	"crypto/hmac"
	"encoding/hex"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/emmansun/gmsm/sm3"
)

// ticketLogin asks who the visitor is, and sends them back with a ticket.
func (p *Platforms) ticketLogin(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if q.Get("appid") != p.c.ClientID || q.Get(ReturnParam) != p.c.Returns {
		http.Error(w, "未登记的应用", http.StatusBadRequest)
		return
	}
	back := p.c.Returns + "?" + url.Values{StateParam: {q.Get(StateParam)}}.Encode()
	who, ok := p.chosen(r)
	if !ok {
		p.show(w, r, p.c.Ticket, back)
		return
	}
	ticket := p.keep(p.tickets, issued{who: who})
	http.Redirect(w, r, back+"&"+url.Values{TicketParam: {ticket}}.Encode(), http.StatusSeeOther)
}

// exchange says whose a ticket is. A request has appid, ticket, time in seconds, and sign: HMAC-SM3, in hex, of
// appid=…&ticket=…&time=….
func (p *Platforms) exchange(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	at, ticket := r.PostFormValue("time"), r.PostFormValue(TicketParam)
	h := hmac.New(sm3.New, []byte(p.c.Secret))
	_, _ = h.Write([]byte("appid=" + p.c.ClientID + "&ticket=" + ticket + "&time=" + at)) // never fails
	sign, err := hex.DecodeString(r.PostFormValue("sign"))
	seconds, bad := strconv.ParseInt(at, 10, 64)
	if err != nil || bad != nil || !hmac.Equal(sign, h.Sum(nil)) || time.Since(time.Unix(seconds, 0)).Abs() > life {
		answer(w, http.StatusOK, map[string]any{"code": "1001", "message": "签名不正确"})
		return
	}
	i, ok := p.redeem(p.tickets, ticket)
	if !ok {
		answer(w, http.StatusOK, map[string]any{"code": "1002", "message": "票据已失效"})
		return
	}
	answer(w, http.StatusOK, map[string]any{"code": "0", "data": map[string]any{
		"login_time": i.at.Unix(), "level": i.who.Level, "person": map[string]string{"id": i.who.Subject, "name": i.who.Name, "number": i.who.Code, "phone": i.who.Phone},
	}})
}
