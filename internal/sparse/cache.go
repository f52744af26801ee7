package sparse

import (
	"container/list"
	"sync"
)

// Cache keeps the values that were last asked for.
type Cache[K comparable, V any] struct {
	limit int
	mu    sync.Mutex
	order list.List // of *item[K, V], the last used first
	items map[K]*list.Element
}

type item[K comparable, V any] struct {
	key   K
	value V
}

// NewCache makes a cache of at most limit values, at least one.
func NewCache[K comparable, V any](limit int) *Cache[K, V] {
	return &Cache[K, V]{limit: max(limit, 1), items: map[K]*list.Element{}}
}

// Get returns the value of a key, from load if it is not there. Several callers that miss the same
// key at once each load it; errors are not kept.
func (c *Cache[K, V]) Get(key K, load func(K) (V, error)) (V, error) {
	c.mu.Lock()
	if e, ok := c.items[key]; ok {
		c.order.MoveToFront(e)
		value := e.Value.(*item[K, V]).value
		c.mu.Unlock()
		return value, nil
	}
	c.mu.Unlock()
	value, err := load(key)
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.items[key]; !ok {
		c.items[key] = c.order.PushFront(&item[K, V]{key, value})
	}
	if c.order.Len() > c.limit {
		delete(c.items, c.order.Remove(c.order.Back()).(*item[K, V]).key)
	}
	return value, nil
}
