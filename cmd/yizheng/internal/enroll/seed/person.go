package seed

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// The years of good rows. They lie in the past, so that the files do not depend
// on the day on which they are made.
var (
	firstBirth  = time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC)
	firstProof  = time.Date(2021, 9, 1, 0, 0, 0, 0, time.UTC)
	birthDays   = 64 * 365
	proofDays   = 1500
	given       = []rune("伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华")
	rareGiven   = []rune("䶮㛃𣲗𬱖")
	firstArea   = 990100
	areas       = 100
	phoneSpace  = 100_000_000
	phoneStride = 61_803_399
)

// person makes up a good row: right in every cell, with numbers no other row has.
func (g *gen) person() []string {
	i := g.count
	g.count++
	c := make([]string, colCount)
	c[colRecordID] = fmt.Sprintf([]string{"R%07d", "emp-%06d", "2026%06d"}[i%3], i+1)
	c[colName] = g.name()
	c[colCodeType] = pick(g, "", "111", "111")
	c[colCode] = g.code(i)
	c[colPhone] = fmt.Sprintf("199%08d", (i*phoneStride+g.offset)%phoneSpace)
	if g.rng.IntN(5) == 0 {
		c[colPhone] = ""
	}
	if g.rng.IntN(2) == 0 {
		c[colLogin] = fmt.Sprintf("citizen%07d", i+1)
	}
	c[colRemark] = pick(g, "", "", "", "样例备注", "sample only")
	c[colLevel] = pick(g, "", "1", "2")
	if g.rng.IntN(4) > 0 {
		c[colProofedAt] = g.day("2006-01-02")
	}
	if g.rng.IntN(3) == 0 {
		c[colPassword] = g.password()
	}
	return c
}

// phone gives a well-formed number that no other row has.
func (g *gen) phone() string {
	g.count++
	return fmt.Sprintf("199%08d", ((g.count-1)*phoneStride+g.offset)%phoneSpace)
}

// name makes up a name that shows itself as made up.
func (g *gen) name() string {
	n := pick(g, "样例", "样例", "样例", "样例·") + string(pick(g, given...))
	if g.rng.IntN(2) == 0 {
		n += string(pick(g, given...))
	}
	if g.rng.IntN(8) == 0 {
		n += string(pick(g, rareGiven...))
	}
	return n
}

// day gives a day of proofing in the past.
func (g *gen) day(layout string) string {
	return firstProof.AddDate(0, 0, g.rng.IntN(proofDays)).Format(layout)
}

// code gives the i-th citizen number. Each i has its own area, birth date and
// order number, so no number comes twice.
func (g *gen) code(i int) string {
	space := areas * birthDays * 1000
	v := ((i+g.offset)%space*1_000_000_007 + 17) % space
	birth := firstBirth.AddDate(0, 0, v/1000%birthDays)
	return withCheck(fmt.Sprintf("%06d%s%03d",
		firstArea+v/1000/birthDays, birth.Format("20060102"), v%1000))
}

// withBirth puts another birth date into a citizen number and mends the check digit.
func withBirth(code, birth string) string {
	return withCheck(code[:6] + birth + code[14:17])
}

// withCheck adds the check digit to 17 digits.
func withCheck(body string) string { return body + string(checkDigit(body)) }

// checkDigit is the check digit of GB 11643 (ISO 7064 MOD 11-2).
func checkDigit(body string) byte {
	sum := 0
	for _, d := range []byte(body) {
		sum = (sum + int(d-'0')) * 2 % 11
	}
	return "0123456789X"[(12-sum)%11]
}

// password makes up a hash of good form. It is the hash of nothing.
func (g *gen) password() string {
	switch g.rng.IntN(6) {
	case 0, 1:
		return g.bcrypt(pick(g, "2a", "2b", "2y"), pick(g, 10, 12))
	case 2:
		return "$pbkdf2-sha256$29000$" + g.base64(16) + "$" + g.base64(32)
	case 3:
		return "$pbkdf2-sha512$25000$" + g.base64(16) + "$" + g.base64(64)
	case 4:
		return "pbkdf2_sha256$600000$" + g.letters(22) + "$" + g.base64(32) + "="
	default:
		return pick(g, g.scrypt(16), g.argon(65536, 3))
	}
}

const bcryptLetters = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// bcrypt makes a hash whose last letters carry no stray bits.
func (g *gen) bcrypt(version string, cost int) string {
	b := make([]byte, 53)
	for i := range b {
		b[i] = bcryptLetters[g.rng.IntN(64)]
	}
	b[21] = bcryptLetters[g.rng.IntN(4)*16]
	b[52] = bcryptLetters[g.rng.IntN(16)*4]
	return fmt.Sprintf("$%s$%02d$%s", version, cost, b)
}

func (g *gen) scrypt(ln int) string {
	return fmt.Sprintf("$scrypt$ln=%d,r=8,p=1$%s$%s", ln, g.base64(16), g.base64(32))
}

func (g *gen) argon(memory, rounds int) string {
	return fmt.Sprintf("$argon2id$v=19$m=%d,t=%d,p=4$%s$%s",
		memory, rounds, g.base64(16), g.base64(32))
}

// base64 gives n random bytes without padding, and without the letter that
// passlib writes in another way.
func (g *gen) base64(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.rng.IntN(256))
	}
	return strings.ReplaceAll(base64.RawStdEncoding.EncodeToString(b), "+", "A")
}

// letters gives n random letters and digits.
func (g *gen) letters(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = bcryptLetters[2+g.rng.IntN(62)]
	}
	return string(b)
}
