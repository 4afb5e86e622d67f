-- The shop's database, built in memory when the agent is built.
CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL, city TEXT NOT NULL);
CREATE TABLE products (id INTEGER PRIMARY KEY, name TEXT NOT NULL, price INTEGER NOT NULL, stock INTEGER NOT NULL);
CREATE TABLE orders (
    id INTEGER PRIMARY KEY,
    customer_id INTEGER NOT NULL REFERENCES customers,
    product_id INTEGER NOT NULL REFERENCES products,
    quantity INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('placed', 'packed', 'shipped', 'delivered', 'returned')),
    placed_on TEXT NOT NULL
);
-- No query of the agent reads this table.
CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT NOT NULL, door_code TEXT NOT NULL);

INSERT INTO customers VALUES
    (1, 'Ada Berg', 'Bergen'), (2, 'Jon Vik', 'Oslo'), (3, 'Mia Lund', 'Bergen'), (4, 'Per O''Hara', 'Trondheim'),
    (5, 'Siv Dahl', 'Oslo'), (6, 'Northern Couriers', 'Bodo');
INSERT INTO products VALUES
    (1, 'city bike', 590, 12), (2, 'mountain bike', 1240, 3), (3, 'cargo bike', 2890, 1), (4, 'e-bike', 2190, 5),
    (5, 'helmet', 49, 40), (6, 'lock', 29, 0), (7, 'lamp', 19, 75), (8, 'child seat', 89, 6), (9, 'pump', 15, 31), (10, 'tyre', 24, 58);
INSERT INTO orders VALUES
    (1001, 1, 1, 1, 'delivered', '2026-01-12'), (1002, 1, 5, 2, 'delivered', '2026-01-12'), (1003, 2, 4, 1, 'shipped', '2026-03-02'),
    (1004, 3, 3, 1, 'placed', '2026-03-20'), (1005, 3, 8, 1, 'packed', '2026-03-20'), (1006, 4, 2, 1, 'returned', '2026-02-07'),
    (1007, 5, 7, 4, 'packed', '2026-03-18'), (1008, 2, 6, 1, 'placed', '2026-03-22'), (1009, 1, 9, 1, 'shipped', '2026-03-21'),
    (1010, 4, 10, 2, 'delivered', '2026-02-26');
-- A customer whose orders fill more than one tool output.
WITH RECURSIVE week(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM week WHERE n < 47)
INSERT INTO orders SELECT 2001 + n, 6, 10, 12 + n % 5, 'delivered', date('2025-01-06', '+' || (7 * n) || ' days') FROM week;
INSERT INTO staff VALUES (1, 'Kari Moe', '7731'), (2, 'Nils Aas', '9046');
