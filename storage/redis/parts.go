package redis

import (
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"

	"yizheng.internal/oidc/ephemeral"
)

// Each part of the store has an index in Redis, so that what is kept in it can be
// counted, and found when it has to give way:
//
//	PREFIX p:PART  a sorted set of KEY :OWNER SIZE, by the end in milliseconds
//	PREFIX o:PART  a hash of :OWNER to the bytes it takes, and # to those of all
//
// A value is stored behind a line that says its part and owner. All of them are
// changed by scripts alone, each of which is one step.
//
// A cluster keeps the keys of a script in one slot. There are as many indexes there
// as slots, each with its fraction of the room.
const slots = 16

// shares say how much of the room each part may take, in hundredths. What is
// reserved may take more than its share: then the others give way.
var shares = [ephemeral.PartReserved]int64{30, 30, 15, 100}

const (
	// surplus is how much one owner may have of what is reserved before something
	// of it gives way, in bytes: some hundred codes.
	surplus = 128 << 10
	// maxOwner is the longest name of an owner.
	maxOwner = 64
)

// What scripts answer.
const (
	gone = iota
	changed
	stored
	full
)

// library begins every script.
//
// KEYS: 1 the value, 2 to 5 the parts' sorted sets, 6 to 9 their hashes. ARGV: 1 the
// key, 2 what values' keys begin with, 3 part, 4 owner, 5 life in milliseconds, 6 and
// 7 the part's room in values and bytes, 8 and 9 the whole room, 10 the surplus, 11 a
// random number below 1, 12 the value.
const library = `
local key, begins = ARGV[1], ARGV[2]
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)

local function bytes(p) return tonumber(redis.call('HGET', KEYS[5 + p], '#') or 0) end

local function size(stored) return 2 * #key + #stored + 450 end

local function out(p, member)
	if redis.call('ZREM', KEYS[1 + p], member) == 0 then return nil end
	local key, owner, size = string.match(member, '^(%S+) (%S+) (%d+)$')
	if redis.call('ZCARD', KEYS[1 + p]) == 0 then
		redis.call('DEL', KEYS[5 + p])
		return key
	end
	redis.call('HINCRBY', KEYS[5 + p], '#', -size)
	if redis.call('HINCRBY', KEYS[5 + p], owner, -size) <= 0 then redis.call('HDEL', KEYS[5 + p], owner) end
	return key
end

local function into(p, owner, stored, life)
	redis.call('SET', KEYS[1], stored, 'PX', life)
	redis.call('ZADD', KEYS[1 + p], now + life, key .. ' ' .. owner .. ' ' .. size(stored))
	redis.call('HINCRBY', KEYS[5 + p], '#', size(stored))
	redis.call('HINCRBY', KEYS[5 + p], owner, size(stored))
	for i = 1, 5, 4 do -- the index lives as long as the last value
		if redis.call('PTTL', KEYS[i + p]) < tonumber(life) then redis.call('PEXPIRE', KEYS[i + p], life) end
	end
end

local function indexed(stored)
	local p, owner = string.match(stored, '^([1-4]) (%S+)\n')
	if not p then return nil end -- not ours
	return tonumber(p), owner, key .. ' ' .. owner .. ' ' .. size(stored)
end

local function lapse(p)
	for _, member in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1 + p], '-inf', now, 'LIMIT', 0, 100)) do out(p, member) end
end

-- How many of each part gave way; answer puts them behind an answer, 9 bits each.
local given = {0, 0, 0, 0}
local function answer(code)
	return code + 8 * (given[1] + 512 * (given[2] + 512 * (given[3] + 512 * given[4])))
end

local function give(p, random)
	local n = redis.call('ZCARD', KEYS[1 + p])
	if n == 0 then return false end
	local members, owners = {}, {}
	for i = 1, math.min(n, 16) do
		random = (random * 7919 + 0.123) % 1
		local at = math.floor(random * n)
		members[i] = redis.call('ZRANGE', KEYS[1 + p], at, at)[1]
		owners[i] = string.match(members[i], ' (%S+) ')
	end
	local sums, best, most = redis.call('HMGET', KEYS[5 + p], unpack(owners)), 1, -1
	for i = 1, #members do
		local sum = tonumber(sums[i] or 0)
		if sum > most then best, most = i, sum end
	end
	if p == 4 and (owners[best] == ':' or most <= tonumber(ARGV[10])) then return false end
	redis.call('DEL', begins .. out(p, members[best]))
	given[p] = given[p] + 1
	return true
end

local function fits(p, size)
	if p < 4 and (redis.call('ZCARD', KEYS[1 + p]) + 1 > tonumber(ARGV[6]) or bytes(p) + size > tonumber(ARGV[7])) then return false, p end
	local count, sum = 1, size
	for i = 1, 4 do
		count, sum = count + redis.call('ZCARD', KEYS[1 + i]), sum + bytes(i)
	end
	return count <= tonumber(ARGV[8]) and sum <= tonumber(ARGV[9]), 1
end

local function place(old, p, owner, life)
	local stored = p .. ' ' .. owner .. '\n' .. ARGV[12]
	if p < 4 and size(stored) > tonumber(ARGV[7]) then return 3 end
	local was, had, member, left
	if old then was, had, member = indexed(old) end
	if was then
		left = math.max(redis.call('PTTL', KEYS[1]), 1)
		out(was, member)
	end
	local random, room, first = tonumber(ARGV[11]), fits(p, size(stored))
	for i = 1, 400 do
		if room then break end
		if i % 16 == 1 then for q = 1, 4 do lapse(q) end end
		room, first = fits(p, size(stored))
		if room then break end
		random = (random * 7919 + 0.123) % 1
		local gave = false
		for q = first, p do
			gave = give(q, random)
			if gave then break end
		end
		if not gave then break end
		room, first = fits(p, size(stored))
	end
	if not room then
		if was then into(was, had, old, left) end
		return answer(3)
	end
	into(p, owner, stored, life)
	return answer(2)
end
`

var put = redis.NewScript(library + `
return place(redis.call('GET', KEYS[1]), tonumber(ARGV[3]), ARGV[4], ARGV[5])`)

// answered returns what a script that places answers, and counts what gave way to it.
func (s *Ephemeral) answered(n int64, err error) (int, error) {
	for part, given := 0, n>>3; part < len(s.evicted) && err == nil; part, given = part+1, given>>9 {
		s.evicted[part].Add(uint64(given & 511))
	}
	return int(n & 7), err
}

// Evicted implements storage.Ephemeral.
func (s *Ephemeral) Evicted() (n [ephemeral.PartReserved]uint64) {
	for part := range n {
		n[part] = s.evicted[part].Load()
	}
	return n
}

// Pool implements storage.Ephemeral.
func (s *Ephemeral) Pool() (inUse, idle, most int, waits int64, waited time.Duration) {
	switch c := s.client.(type) {
	case *redis.Client:
		most = c.Options().PoolSize
	case *redis.ClusterClient:
		most = c.Options().PoolSize // of each node
	}
	p := s.client.PoolStats()
	return int(p.TotalConns - p.IdleConns), int(p.IdleConns), most, int64(p.WaitCount), time.Duration(p.WaitDurationNs)
}

// swap has the old value as ARGV 13.
var swap = redis.NewScript(library + `
local old = redis.call('GET', KEYS[1])
if not old then return 0 end
local line = string.find(old, '\n', 1, true)
if not indexed(old) or string.sub(old, line + 1) ~= ARGV[13] then return 1 end
if ARGV[3] ~= '0' then
	if tonumber(ARGV[5]) > 0 then return place(old, tonumber(ARGV[3]), ARGV[4], ARGV[5]) end
	local p, _, member = indexed(old)
	out(p, member)
	redis.call('DEL', KEYS[1])
	return 2
end
local p, owner = indexed(old)
return place(old, p, owner, math.max(redis.call('PTTL', KEYS[1]), 1))`)

var remove = redis.NewScript(library + `
local old = redis.call('GET', KEYS[1])
if not old then return 0 end
local p, _, member = indexed(old)
if p then out(p, member) end
return redis.call('DEL', KEYS[1])`)

// relieve forgets what is unopened, 2,000 values at a time. A Redis that is full lets a script
// delete first, and then do anything.
var relieve = redis.NewScript(library + `
local members = redis.call('ZRANGE', KEYS[2], 0, 1999)
for _, member in ipairs(members) do redis.call('DEL', begins .. out(1, member)) end
return #members`)

// slot returns the slot of a value and its index, as their keys name it.
func (s *Ephemeral) slot(key string) string {
	if s.slots == 1 {
		return ""
	}
	h := fnv.New32a()
	h.Write([]byte(key))
	return "{" + strconv.Itoa(int(h.Sum32()%uint32(s.slots))) + "}"
}

// values returns what the keys of values in the slot of a key begin with.
func (s *Ephemeral) values(key string) string { return s.c.Prefix + "v:" + s.slot(key) }

// keys returns the keys that a script uses for a value.
func (s *Ephemeral) keys(key string) []string {
	keys, slot := []string{s.value(key)}, s.slot(key)
	for _, kind := range []string{"p:", "o:"} {
		for part := ephemeral.PartUnopened; part <= ephemeral.PartReserved; part++ {
			keys = append(keys, s.c.Prefix+kind+slot+strconv.Itoa(int(part)))
		}
	}
	return keys
}

// placing returns the arguments of a script that stores a value.
func (s *Ephemeral) placing(key string, k ephemeral.Keeping, life time.Duration, value []byte) []any {
	share := int64(100)
	if k.Part > 0 {
		share = shares[k.Part-1]
	}
	values, bytes := int64(s.c.MaxValues/s.slots), s.c.MaxBytes/int64(s.slots)
	return []any{
		key, s.values(key), int(k.Part), ":" + k.Owner, milliseconds(life), max(values*share/100, 1), bytes * share / 100, values, bytes,
		surplus, rand.Float64(), value,
	}
}

// checkKeeping holds a call to the limits of [ephemeral.Store].
func checkKeeping(k ephemeral.Keeping) error {
	if k.Part < 1 || k.Part > ephemeral.PartReserved {
		return fmt.Errorf("there is no part %d of the store", k.Part)
	}
	if len(k.Owner) > maxOwner {
		return fmt.Errorf("an owner of %d bytes: must be at most %d", len(k.Owner), maxOwner)
	}
	for i := range len(k.Owner) {
		if k.Owner[i] <= ' ' || k.Owner[i] > '~' {
			return errors.New("an owner has a character that is not visible ASCII")
		}
	}
	return nil
}
